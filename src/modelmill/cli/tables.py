"""What people see: tables of the registry."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from modelmill.cli.output import numbered, print_table, shown
from modelmill.registry.approvals import WORTH
from modelmill.registry.view import named_stages
from modelmill.specs.registry import RegistrySpec

if TYPE_CHECKING:
    from modelmill.registry.conditions import Condition
    from modelmill.registry.gates.run import GateReport
    from modelmill.registry.office import Outcome
    from modelmill.registry.upkeep import Mended
    from modelmill.versioning.used_by import Use

Row = Mapping[str, Any]


def print_models(rows: Sequence[Row], spec: RegistrySpec) -> None:
    """One line for each model, then what is not as it should be."""
    stages = named_stages(spec)
    cells = [
        [
            row["name"],
            *(row["stages"][stage] for stage in stages),
            row["versions"],
            row["open_requests"],
            _last(row["last"]),
        ]
        for row in rows
    ]
    print_table("Models", ["model", *stages, "versions", "open requests", "last event"], cells)
    for row in rows:
        print_remarks(row)


def _last(event: Row | None) -> str | None:
    return f"{event['kind']} by {event['actor']}, {shown(event['time'])}" if event else None


def print_remarks(row: Row) -> None:
    """What is to be done about a model, beside its stages."""
    name = row["name"]
    mends = f"`kedro model reconcile {name}`"
    if row["unrecorded"]:
        versions = ", ".join(map(str, row["unrecorded"]))
        click.echo(f"{name}: the ledger does not know version {versions} yet; {mends} writes it down")
    if row["gone"]:
        versions = ", ".join(map(str, row["gone"]))
        click.echo(f"{name}: version {versions} is gone from MLflow: `kedro model verify {name}` says what to do")
    for alias, one in row["drift"].items():
        if one["ledger"] in row["gone"]:
            continue
        there, wanted = numbered(one["mlflow"]), numbered(one["ledger"])
        click.echo(f"{name}: in MLflow the alias '{alias}' is {there}, and should be {wanted}; {mends} sets it right")
    for problem in row["problems"]:
        click.echo(f"{name}: {problem}")


def print_model(details: Row) -> None:
    """The versions of a model, and what is asked for."""
    metrics = sorted({metric for row in details["versions"] for metric in row["metrics"]})
    cells = [
        [row["version"], _place(row), row["since"], *(interval(row["metrics"].get(metric)) for metric in metrics)]
        for row in details["versions"]
    ]
    print_table(details["name"], ["version", "stage", "since", *metrics], cells)
    _print_requests(details["requests"])
    print_remarks(details)


def _place(row: Row) -> str:
    return f"{row['stage']} ({row['ended']})" if row["ended"] else str(row["stage"])


def interval(figure: Row | None) -> str | None:
    """'0.852 [0.835, 0.869]'."""
    if figure is None:
        return None
    bounds = f" [{figure['low']:.3f}, {figure['high']:.3f}]" if {"low", "high"} <= figure.keys() else ""
    return f"{figure['value']:.3f}{bounds}"


def _print_requests(requests: Sequence[Row]) -> None:
    if not requests:
        return
    keys = ("version", "stage", "actor", "time", "expires")
    cells = [[*map(one.get, keys), _people(one["approvals"]), one["reason"]] for one in requests]
    headings = ["version", "to", "asked by", "when", "until", "approved by", "reason"]
    print_table("Open requests", headings, cells)


def _people(approvals: Sequence[Row]) -> str:
    return ", ".join(f"{one['actor']} ({WORTH[one['signature']]})" for one in approvals)


def print_version(details: Row) -> None:
    """One version: what it is, how good it is, and what happened to it."""
    evidence = details["evidence"]
    plain = ("registered", "digest", "run_id", "git_commit", "git_dirty", "environment_lock_sha256")
    cells = [["stage", _place(details)], ["since", details["since"]]]
    cells += [[key, evidence[key]] for key in ("actor", "reason", "report", "policy")]
    cells += [["approved by", _people(evidence["approvals"])], *([key, details[key]] for key in plain)]
    print_table(f"{details['name']}@{details['version']}", ["", ""], cells)
    baselines = details["baselines"]
    rows = [
        [metric, interval(figure), *(interval(baselines[name].get(metric)) for name in baselines)]
        for metric, figure in details["metrics"].items()
    ]
    print_table("On the test split", ["metric", "this version", *baselines], rows)
    _print_data(details["data"])
    _print_requests(details["requests"])
    print_events(f"{details['name']}@{details['version']}", details["events"])


SPLITS = ("train_augmented", "validation", "test")
"""Names of the tables that a model is trained, validated and tested on."""


def _print_data(data: Row) -> None:
    """What came from outside, and the splits; how many other files lie on the way."""
    given, made = data["given"], data["made"]
    if not given | made:
        click.echo("Data: the ledger does not say; there was no dvc.lock when the version was registered.")
        return
    splits = {path: hash_ for path, hash_ in made.items() if PurePath(path).stem in SPLITS}
    rows = [["from outside", *one] for one in given.items()] + [["split", *one] for one in splits.items()]
    print_table("Made from", ["", "path", "hash"], rows)
    click.echo(f"{len(made) - len(splits)} files and folders that stages made on the way are shown by --json.")


def print_events(title: str, rows: Sequence[Row]) -> None:
    """Events, oldest first."""
    cells = [[row["seq"], _time(row["time"]), row["actor"], row["what"], row["reason"]] for row in rows]
    print_table(f"History of {title}", ["event", "time (UTC)", "who", "what", "why"], cells)


def _time(text: str) -> str:
    return shown(datetime.fromisoformat(text))


def print_holders(name: str, at: datetime, rows: Sequence[Row]) -> None:
    """What each stage held at a time."""
    cells = [
        [
            row["stage"], row["version"], row["since"], row["actor"], row["event"]["kind"], _people(row["approvals"]),
            row["report"] and row["report"][:12], row["policy"] and row["policy"][:12], row["reason"],
        ]
        for row in rows
    ]  # fmt: skip
    headings = ["stage", "version", "since (UTC)", "who", "how", "approved by", "gate report", "rules", "why"]
    print_table(f"{name} at {shown(at)} UTC", headings, cells)
    if not rows:
        click.echo("No stage held anything then.")


def print_uses(asked: str, uses: "Sequence[Use]", unsaid: Mapping[str, Sequence[int]]) -> None:
    """Versions that were made from something, and those of which nobody knows."""
    answers = {True: "yes", False: "no", None: None}
    cells = [[f"{one.name}@{one.version}", one.stage, one.path, one.hash, answers[one.same]] for one in uses]
    if cells:
        print_table(f"Made from {asked}", ["version", "stage", "path", "hash then", "the same now"], cells)
    else:
        click.echo(f"No version was made from {asked}, as far as the ledger says.")
    for name, versions in unsaid.items():
        click.echo(f"{name}: the ledger does not say what version {', '.join(map(str, versions))} was made from")


def print_report(report: "GateReport", conditions: "Sequence[Condition]") -> None:
    """What each gate said, and what else the stage wants."""
    cells = [[one.gate, one.status, "yes" if one.required else "no", one.reason] for one in report.results]
    against = f", against version {report.incumbent}" if report.incumbent else ""
    title = f"{report.name}@{report.version} to {report.stage}{against}"
    print_table(title, ["gate", "answer", "required", "reason"], cells)
    if conditions:
        rows = [[one.condition, "met" if one.met else "not met", one.reason] for one in conditions]
        print_table("Beside the gates", ["condition", "is", "why"], rows)
    may = "May enter" if report.passed else "May not enter"
    if report.passed and (missing := [one.condition for one in conditions if not one.met]):
        may = f"The gates say yes, but {', '.join(missing)} not met: may not yet enter"
    click.echo(f"{may} {report.stage}. Report {report.hash[:12]}.")


def print_outcome(outcome: "Outcome", *, dry_run: bool) -> None:
    """What was done, or would be: the event, and the aliases that follow."""
    event, aliases = outcome.done.event, outcome.done.aliases
    if event is None:
        click.echo(f"{outcome.already}; nothing was changed.")
    else:
        hidden = {"id", "seq", "prev", "time", "signature"}
        cells = [[key, value] for key, value in event.model_dump(mode="json", exclude=hidden).items()]
        title = (
            f"{outcome.name}: this would be written" if dry_run else f"{outcome.name}: event {event.seq} was written"
        )
        print_table(title, ["field", "value"], cells)
    for alias, (there, to) in aliases.items():
        click.echo(f"alias {alias}: {numbered(there)} -> {numbered(to)}")
    if dry_run:
        click.echo("A plan only; nothing was changed.")


def print_problems(found: Mapping[str, Sequence[Row]]) -> None:
    """What is not as it was written, by model."""
    cells = [
        [one["where"], one["what"], one["expected"], one["todo"]] for problems in found.values() for one in problems
    ]
    if cells:
        print_table("Not as it was written", ["where", "what is there", "expected", "what to do"], cells)
    for name, problems in found.items():
        click.echo(f"{name}: {f'{len(problems)} problem(s)' if problems else 'all is as it was written'}")


def print_mended(found: "Mapping[str, Mended]", *, dry_run: bool) -> None:
    """What was set right, by model."""
    for name, one in found.items():
        for version in one.adopted:
            click.echo(f"{name}: version {version} {'would come' if dry_run else 'came'} into the ledger")
        for alias, (there, to) in one.aliases.items():
            click.echo(f"{name}: alias {alias}: {numbered(there)} -> {numbered(to)}")
        if not one.adopted and not one.aliases:
            click.echo(f"{name}: nothing to set right")
    if dry_run:
        click.echo("A plan only; nothing was changed.")


def print_collected(gone: Mapping[str, Sequence[int]], kept: Mapping[str, Mapping[int, str]], *, dry_run: bool) -> None:
    """Which versions were deleted, and why others are kept, by model."""
    for name, versions in gone.items():
        said = f"version {', '.join(map(str, versions))} {'would be' if dry_run else 'was'} deleted"
        click.echo(f"{name}: {said if versions else 'nothing to delete'}")
        for version, why in kept.get(name, {}).items():
            click.echo(f"{name}: version {version} is kept: {why}")


def print_differences(found: Row) -> None:
    """Two versions side by side: all figures, and elsewhere what differs."""
    first, second = (f"{found[which]['name']}@{found[which]['version']}" for which in ("first", "second"))
    heads = [[key, found["first"][key], found["second"][key]] for key in ("stage", "since", "digest", "registered")]
    print_table("Versions", ["", first, second], heads)
    metrics = [[name, *map(interval, pair)] for name, pair in found["metrics"].items()]
    print_table("On the test split", ["metric", first, second], metrics)
    for section in ("declaration", "data", "backbone", "code", "labels", "packages", "gates"):
        pairs = found[section]
        if pairs:
            print_table(section, ["", first, second], [[key, *pair] for key, pair in pairs.items()])
        else:
            click.echo(f"{section}: no difference")
    click.echo("Whether a difference of figures is more than chance is said by the gate `non_inferiority`.")
