"""Options that several commands share, and who is there."""

import subprocess
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from modelmill.cli.output import answered, print_error
from modelmill.registry.verbs import By, Expected

Command = TypeVar("Command", bound=Callable[..., Any])


def shared(command: Command) -> Command:
    """`--json` and `--env`, which every command has."""
    command = click.option("--env", metavar="ENV", help="Environment of the configuration.")(_errors_too(command))
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)


def _errors_too(command: Command) -> Command:
    """With `--json` an error is printed on stdout, too, unless the answer is there already."""

    @wraps(command)
    def run(*arguments: Any, as_json: bool, **options: Any) -> Any:
        try:
            return command(*arguments, as_json=as_json, **options)
        except click.ClickException as error:
            if as_json and not answered():
                print_error(error)
            raise

    return cast(Command, run)


def changing(command: Command) -> Command:
    """What every command has that changes something."""
    for option in (
        click.option("--as", "actor", metavar="NAME", envvar="MODELMILL_ACTOR", show_envvar=True,
                     help="Who does it; by default git's user.email."),
        click.option("--reason", default="", metavar="TEXT", help="Why; it is kept in the ledger."),
        click.option("--dry-run", is_flag=True, help="Print the plan and change nothing."),
    ):  # fmt: skip
        command = option(command)
    return shared(command)


class ExpectedVersion(click.ParamType[Expected]):
    """A number, or `none`."""

    name = "V|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Expected:
        if value == "any":
            return "any"
        if isinstance(value, int):
            return value
        if value == "none":
            return None
        if not str(value).isdecimal():
            self.fail(f"'{value}' is neither the number of a version nor 'none'", param, ctx)
        return int(value)


def by(actor: str | None, reason: str) -> By:
    """Who does something, why, and when: now.

    Raises:
        click.UsageError: when nobody says who it is.
    """
    from modelmill.registry.events import now

    return By(actor or _git_email(), reason, now())


def _git_email() -> str:
    try:
        done = subprocess.run(["git", "config", "user.email"], capture_output=True, text=True, check=False)
    except OSError:
        done = None
    if done and done.stdout.strip():
        return done.stdout.strip()
    raise click.UsageError(
        "who are you? Say it by --as NAME, by the variable MODELMILL_ACTOR, or by `git config user.email NAME`"
    )
