"""`kedro model ...`, the verbs that only look."""

from pathlib import Path

import click

from modelmill.cli.options import shared
from modelmill.cli.output import document, logs_to_stderr, print_json, report_row


@click.group()
def model() -> None:
    """Models in the registry: what is where, why, and how it gets further."""
    logs_to_stderr()


@model.command("list")
@shared
def list_models(as_json: bool, env: str | None) -> None:
    """Every model, and the version that each stage holds."""
    from modelmill.cli.project import opened
    from modelmill.cli.tables import print_models
    from modelmill.errors import IntegrityError
    from modelmill.registry.summary import model_row
    from modelmill.registry.view import view

    desk = opened(env).desk
    rows = [model_row(view(desk, name), desk.spec) for name in desk.names()]
    if as_json:
        print_json(document("model.list", models=rows))
    else:
        print_models(rows, desk.spec)
    if damaged := [row["name"] for row in rows if row["problems"]]:
        raise IntegrityError(f"the ledger of {', '.join(damaged)} is not as it was written: `kedro model verify`")


@model.command("show")
@click.argument("ref", metavar="NAME[@VERSION|@STAGE]")
@shared
def show_model(ref: str, as_json: bool, env: str | None) -> None:
    """A model with all its versions, or one version with its figures, approvals and events."""
    from modelmill.cli.project import opened
    from modelmill.cli.tables import print_model, print_version
    from modelmill.registry.approvals import standing
    from modelmill.registry.summary import model_details, version_details
    from modelmill.registry.view import Ref, find_version, named_stages, whole

    office, asked = opened(env), Ref.parse(ref)
    desk = office.desk
    found = whole(desk, asked.name)
    if asked.which is None:
        details = model_details(found, desk)
        print_json(document("model.show", **details)) if as_json else print_model(details)
        return
    version = find_version(asked, found.state, named_stages(desk.spec))
    details = version_details(found, version, desk, standing(office.root, desk.spec, asked.name))
    print_json(document("version.show", **details)) if as_json else print_version(details)


@model.command("history")
@click.argument("name")
@click.option("--at", metavar="TIME", help="What was where at this time (ISO 8601, UTC; a day means its end).")
@shared
def show_history(name: str, at: str | None, as_json: bool, env: str | None) -> None:
    """All that happened to a model; with --at what each stage held then, who put it there, and on what evidence."""
    from modelmill.cli.project import opened
    from modelmill.cli.tables import print_events, print_holders
    from modelmill.registry.approvals import standing
    from modelmill.registry.summary import event_row, held_at
    from modelmill.registry.view import point_in_time, whole

    office = opened(env)
    desk = office.desk
    if at is None:
        found = whole(desk, name)
        rows = [event_row(event, found.state) for event in found.events]
        print_json(document("model.history", name=name, events=rows)) if as_json else print_events(name, rows)
        return
    try:
        time = point_in_time(at)
    except ValueError:
        raise click.BadParameter(
            f"'{at}' is no time; expected 2026-05-03 or 2026-05-03T09:30", param_hint="--at"
        ) from None
    rows = held_at(whole(desk, name), desk.spec, time, standing(office.root, desk.spec, name))
    if as_json:
        print_json(document("model.history_at", name=name, at=time, stages=rows))
    else:
        print_holders(name, time, rows)


@model.command("check")
@click.argument("ref", metavar="NAME[@VERSION|@STAGE]")
@click.option("--to", "stage", required=True, metavar="STAGE", help="The stage whose gates are asked.")
@shared
def check_version(ref: str, stage: str, as_json: bool, env: str | None) -> None:
    """Ask every gate of a stage about a version, and say which approvals and times are missing.

    The report of the gates stays with the run. Exit code 3 when a gate says no.
    """
    from dataclasses import asdict

    from modelmill.cli.project import opened
    from modelmill.cli.tables import print_report
    from modelmill.registry.flows import check, refusal
    from modelmill.registry.view import Ref

    report, wanted = check(opened(env), Ref.parse(ref), stage)
    if as_json:
        print_json(document("model.check", **report_row(report), conditions=[asdict(one) for one in wanted]))
    else:
        print_report(report, wanted)
    if not report.passed:
        raise refusal(report)


@model.command("diff")
@click.argument("first", metavar="NAME[@VERSION|@STAGE]")
@click.argument("second", metavar="NAME[@VERSION|@STAGE]")
@shared
def diff_versions(first: str, second: str, as_json: bool, env: str | None) -> None:
    """What differs between two versions: figures, declaration, data, backbone, labels, stages, gates."""
    from modelmill.cli.project import opened
    from modelmill.cli.tables import print_differences
    from modelmill.registry.exports.facts import differences
    from modelmill.registry.upkeep import facts_about
    from modelmill.registry.view import Ref

    office = opened(env)
    facts = [facts_about(office, Ref.parse(ref)) for ref in (first, second)]
    found = differences(*facts)
    print_json(document("model.diff", **found)) if as_json else print_differences(found)


@model.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@shared
def verify_models(names: tuple[str, ...], as_json: bool, env: str | None) -> None:
    """Whether ledger, aliases, tags and files are what was written, of all models or of NAMES. Exit code 7 if not."""
    from modelmill.cli.project import opened
    from modelmill.cli.tables import print_problems
    from modelmill.errors import IntegrityError
    from modelmill.registry.upkeep import problems_of

    office = opened(env)
    found = {name: problems_of(office, name) for name in names or office.desk.names()}
    if as_json:
        print_json(document("model.verify", problems=found))
    else:
        print_problems(found)
    if any(found.values()):
        raise IntegrityError("not all is as it was written; aliases alone are set right by `kedro model reconcile`")


@model.command("export")
@click.argument("ref", metavar="NAME[@VERSION|@STAGE]")
@click.option(
    "--format", "form", required=True, type=click.Choice(["card", "mlbom", "annex4"]),
    help="Model card; CycloneDX 1.6; the points of Annex IV of Regulation (EU) 2024/1689.",
)  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of stdout.")
@shared
def export_version(ref: str, form: str, output: Path | None, as_json: bool, env: str | None) -> None:
    """A version as a document for others; --json puts it into an envelope."""
    from modelmill.cli.project import opened
    from modelmill.registry.exports import FORMATS
    from modelmill.registry.upkeep import facts_about
    from modelmill.registry.view import Ref

    facts = facts_about(opened(env), Ref.parse(ref))
    text = FORMATS[form](facts)
    if as_json:
        print_json(document("model.export", name=facts.name, version=facts.version, format=form, text=text))
    elif output:
        output.write_text(text, encoding="utf-8")
        click.echo(f"{output} was written", err=True)
    else:
        click.echo(text, nl=False)
