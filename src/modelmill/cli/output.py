"""What commands print: one JSON document with a versioned schema, or tables for people. Logs go to stderr."""

import json
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from modelmill.errors import GateError

if TYPE_CHECKING:
    from modelmill.registry.gates.run import GateReport
    from modelmill.registry.office import Outcome, Want


def document(kind: str, /, **fields: Any) -> dict[str, Any]:
    """The envelope of every JSON answer: 'modelmill.<kind>/1' says what it is; a number goes up when a field goes."""
    return {"schema": f"modelmill.{kind}/1", **fields}


ANSWERED = "modelmill.answered"


def print_json(answer: Any) -> None:
    """To stdout."""
    click.get_current_context().meta[ANSWERED] = True
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False, default=_plain))


def answered() -> bool:
    """Whether the command that runs has printed its answer: it is the only JSON document on stdout."""
    return ANSWERED in click.get_current_context().meta


def print_error(error: click.ClickException) -> None:
    """Why a command ends: `code` is its exit code, `kind` the error; `gates` what they said, if it was about them."""
    name = "usage" if isinstance(error, click.UsageError) else type(error).__name__.removesuffix("Error")
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    gates = {"gates": error.gates} if isinstance(error, GateError) else {}
    print_json(document("error", code=error.exit_code, kind=kind, message=error.format_message(), **gates))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")


def logs_to_stderr() -> None:
    """Move log handlers from stdout, where Kedro's own rich handler writes, so that stdout is the answer alone.

    The line that names the logging configuration is printed before any project's code runs: it is on stderr too where
    `conf/logging.yml` is found, that is when a command is started in the project's root.
    """
    for logger in (logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))):
        for handler in logger.handlers:
            console = getattr(handler, "console", None)
            if console is not None:
                console.stderr = True
                if console._file in (sys.stdout, sys.__stdout__):
                    console._file = None
            elif isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.__stdout__):
                handler.setStream(sys.stderr)


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table of rich; where nobody watches it is as wide as it needs, so that nothing is folded or cut off."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    console = Console()
    if not console.is_terminal:
        console.width = max(80, console.measure(table, options=console.options.update(width=10_000)).maximum)
    click.secho(title, bold=True)  # a title of the table's own is folded to the table's width
    console.print(table)


def shown(value: Any) -> str:
    """A cell: '-' for nothing, a time to the second."""
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)


def numbered(version: int | None) -> str:
    """'nothing' or the number of a version."""
    return "nothing" if version is None else str(version)


def report_row(report: "GateReport") -> dict[str, Any]:
    """A gate report as plain data, with its hash."""
    return {**asdict(report), "passed": report.passed, "hash": report.hash}


def answer(verb: str, outcome: "Outcome", want: "Want") -> dict[str, Any]:
    """The JSON of a verb that changes something; `changed` is false when it was so already, or for a plan."""
    event = outcome.done.event
    return document(
        f"model.{verb}",
        name=outcome.name,
        dry_run=want.dry_run,
        changed=event is not None and not want.dry_run,
        event=event and event.model_dump(mode="json"),
        aliases={alias: {"from": there, "to": to} for alias, (there, to) in outcome.done.aliases.items()},
        gates=report_row(outcome.report) if outcome.report else None,
        message=None if event else outcome.already,
    )
