"""`kedro model ...`, the verbs that change something."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelmill.cli.options import ExpectedVersion, by, changing
from modelmill.cli.output import answer, document, print_json

if TYPE_CHECKING:
    from modelmill.registry.office import Office, Outcome, Want
    from modelmill.registry.view import Ref

REF = click.argument("ref", metavar="NAME[@VERSION|@STAGE]")
TO = click.option("--to", "stage", required=True, metavar="STAGE", help="The stage to enter.")
TO_OPTIONAL = click.option("--to", "stage", metavar="STAGE", help="Which request, if there are several.")
EXPECT = click.option(
    "--expect-current", "expected", type=ExpectedVersion(), default="any",
    help="Change nothing unless the stage holds this version (or none).",
)  # fmt: skip


@click.command("request")
@REF
@TO
@EXPECT
@changing
def request(ref: str, stage: str, **options: Any) -> None:
    """Ask that a version enters a stage, so that others can approve it. The gates are asked first."""
    from modelmill.registry.flows import request_version

    _do("request", options, lambda office, want: request_version(office, _ref(ref), stage, want))


@click.command("approve")
@REF
@TO_OPTIONAL
@EXPECT
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Sign by this ssh key.")
@changing
def approve(ref: str, stage: str | None, key: Path | None, **options: Any) -> None:
    """Agree to a request; without --key the approval is a claim."""
    from modelmill.registry.decisions import approve_version

    _do("approve", options, lambda office, want: approve_version(office, _ref(ref), stage, want, key))


@click.command("reject")
@REF
@TO_OPTIONAL
@EXPECT
@changing
def reject(ref: str, stage: str | None, **options: Any) -> None:
    """Refuse a request, which ends it."""
    from modelmill.registry.decisions import reject_version

    _do("reject", options, lambda office, want: reject_version(office, _ref(ref), stage, want))


@click.command("promote")
@REF
@TO
@EXPECT
@changing
def promote(ref: str, stage: str, **options: Any) -> None:
    """Let a version enter a stage, if gates, approvals and times allow it."""
    from modelmill.registry.flows import promote_version

    _do("promote", options, lambda office, want: promote_version(office, _ref(ref), stage, want))


@click.command("rollback")
@click.argument("name")
@click.option("--stage", required=True, metavar="STAGE", help="The stage that goes back.")
@EXPECT
@changing
def rollback(name: str, stage: str, **options: Any) -> None:
    """Give a stage back the version that it held before. Twice in a row only with --expect-current."""
    from modelmill.registry.decisions import rollback_stage

    _do("rollback", options, lambda office, want: rollback_stage(office, name, stage, want))


@click.command("revoke")
@REF
@click.option("--leave-empty", is_flag=True, help="Also when nothing can take its place in the stage.")
@EXPECT
@changing
def revoke(ref: str, leave_empty: bool, **options: Any) -> None:
    """Withdraw a version for good; its stage goes back to the version before."""
    from modelmill.registry.decisions import revoke_version

    _do("revoke", options, lambda office, want: revoke_version(office, _ref(ref), want, leave_empty=leave_empty))


@click.command("reconcile")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--new-ledger",
    is_flag=True,
    help="Where the ledger of NAMES is gone, begin another: every version is a candidate, aliases of other stages go.",
)
@changing
def reconcile(names: tuple[str, ...], new_ledger: bool, **options: Any) -> None:
    """Finish what was cut off, of all models or of NAMES: versions without an event, aliases, notifications."""
    from modelmill.cli.tables import print_mended
    from modelmill.registry.upkeep import mend

    office, want = _opened(options)
    if new_ledger and not names:
        raise click.UsageError("--new-ledger wants the NAME of the model whose ledger is gone")
    found = {name: mend(office, name, want, new_ledger=new_ledger) for name in names or office.desk.names()}
    if not options["as_json"]:
        print_mended(found, dry_run=want.dry_run)
        return
    rows = {
        name: {
            "adopted": one.adopted,
            "aliases": {alias: {"from": there, "to": to} for alias, (there, to) in one.aliases.items()},
            "event": one.event and one.event.model_dump(mode="json"),
        }
        for name, one in found.items()
    }
    print_json(document("model.reconcile", dry_run=want.dry_run, models=rows))


@click.command("gc")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--older-than", default="30d", show_default=True, metavar="TIME", help="Registered before: 12h, 30d.")
@changing
def gc(names: tuple[str, ...], older_than: str, **options: Any) -> None:
    """Delete versions, of all models or of NAMES, that no stage, request, rollback or recent event needs.

    A plan says of every other version why it is kept.
    """
    from modelmill.cli.tables import print_collected
    from modelmill.registry.collect import why_kept
    from modelmill.registry.upkeep import collect_garbage

    office, want = _opened(options)
    age = _age(older_than)
    gone = {name: collect_garbage(office, name, want, age) for name in names or office.desk.names()}
    kept = {}
    for name in gone if want.dry_run else ():
        kept[name] = why_kept(office.desk.ledger(name).read().events, office.desk.spec, want.by.time, age)
    if options["as_json"]:
        print_json(document("model.gc", dry_run=want.dry_run, deleted=gone, kept=kept))
    else:
        print_collected(gone, kept, dry_run=want.dry_run)


CHANGING: tuple[click.Command, ...] = (request, approve, reject, promote, rollback, revoke, reconcile, gc)


def _do(verb: str, options: dict[str, Any], action: "Callable[[Office, Want], Outcome]") -> None:
    from modelmill.cli.tables import print_outcome

    office, want = _opened(options)
    outcome = action(office, want)
    if options["as_json"]:
        print_json(answer(verb, outcome, want))
    else:
        print_outcome(outcome, dry_run=want.dry_run)


def _opened(options: dict[str, Any]) -> "tuple[Office, Want]":
    from modelmill.cli.project import opened
    from modelmill.registry.office import Want

    who = by(options["actor"], options["reason"])
    return opened(options["env"]), Want(who, options["dry_run"], options.get("expected", "any"))


def _ref(text: str) -> "Ref":
    from modelmill.registry.view import Ref

    return Ref.parse(text)


def _age(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from modelmill.specs.registry import Duration

    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise click.BadParameter(f"'{text}' is no time; expected 12h, 30d", param_hint="--older-than") from None
