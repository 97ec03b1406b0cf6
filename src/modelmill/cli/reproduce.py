"""`kedro model reproduce`: build a version again."""

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelmill.cli.options import by, changing
from modelmill.cli.output import answer as answered
from modelmill.cli.output import document, print_json, print_table

if TYPE_CHECKING:
    from modelmill.errors import RegistryError
    from modelmill.registry.reproduce.flow import Plan
    from modelmill.registry.reproduce.verdict import Answer
    from modelmill.registry.view import Ref


@click.command("reproduce")
@click.argument("ref", metavar="NAME[@VERSION|@STAGE]")
@click.option("--isolate", is_flag=True, help="Install the packages of its requirements.lock into an environment.")
@click.option(
    "--tolerance", default=0.01, show_default=True, type=click.FloatRange(0, 1),
    help="Of an equivalent: of each metric on the test split, and of the share of records that get another label.",
)  # fmt: skip
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Build in this folder, and leave it.")
@changing
def reproduce_version(
    ref: str, isolate: bool, tolerance: float, keep: Path | None, as_json: bool, env: str | None, **options: Any
) -> None:
    """Build a version again from its commit, data, parameters, seed, threads and instruction set, and compare.

    Exit code 0: identical, bit for bit. 9: equivalent, that is within the tolerance. 7: different. The answer names the
    first artifact that differs and what it was made from otherwise, and is kept in the ledger.
    """
    from modelmill.cli.project import opened
    from modelmill.registry.office import Want
    from modelmill.registry.reproduce.flow import How, plan, reproduce
    from modelmill.registry.view import Ref

    want, asked = Want(by(options["actor"], options["reason"]), options["dry_run"]), Ref.parse(ref)
    office = opened(env)
    if want.dry_run:
        found = plan(office, asked)
        fields = {"name": asked.name, "dry_run": True, "changed": False, "plan": asdict(found)}
        print_json(document("model.reproduce", **fields)) if as_json else _print_plan(asked, found)
        return
    answer, outcome = reproduce(office, asked, want, How(isolate, keep, tolerance), _tell)
    if as_json:
        print_json({**answered("reproduce", outcome, want), "answer": asdict(answer)})
    else:
        _print_answer(asked, answer)
    if answer.verdict != "identical":
        raise _refusal(ref, answer)


def _tell(line: str) -> None:
    """Where somebody watches, say how far it is: which node was completed."""
    told = re.search(r"Completed node: (\S+)", line)
    if sys.stderr.isatty() and (told or line.endswith((" is checked out", "are there"))):
        click.echo(f"{told[1]} is done" if told else line, err=True)


def _refusal(ref: str, answer: "Answer") -> "RegistryError":
    from modelmill.errors import EquivalentError, IntegrityError

    why = "; ".join(answer.differences) or "nothing of what it was made from: is a step of it random?"
    said = f"the first artifact that differs is {answer.first or 'the model'}. What is not as it was: {why}"
    if answer.verdict == "equivalent":
        return EquivalentError(f"{ref} was not built again bit for bit, but within the tolerance; {said}")
    return IntegrityError(f"{ref} cannot be built again: what was built is another model; {said}")


def _print_plan(ref: "Ref", plan: "Plan") -> None:
    cells: list[list[Any]] = [["commit", plan.commit], ["changed since the commit", plan.dirty]]
    cells += [[name, digest] for name, digest in plan.data.items()]
    cells += [[key, value] for key, value in plan.asked.items() if value]
    cells += [["package", one] for one in plan.packages]
    cells += [[key, f"{then} -> {now}"] for key, (then, now) in plan.machine.items()]
    print_table(f"{ref.name}@{plan.version}: this would be built again", ["what", "is"], cells)
    click.echo("A plan only; nothing was changed.")


def _print_answer(ref: "Ref", answer: "Answer") -> None:
    cells = [[name, *pair] for name, pair in answer.figures.items()]
    print_table(f"{ref.name} on the test split", ["metric", "registered", "built again"], cells)
    for one in answer.differences:
        click.echo(f"not as it was: {one}")
    if answer.first:
        click.echo(f"first artifact that differs: {answer.first}")
    click.echo(f"{answer.verdict}: {answer.relabelled:.1%} of the test records got another label")
