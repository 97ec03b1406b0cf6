"""`kedro dvc ...`: what is versioned, and what would run again."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelmill.cli.options import shared
from modelmill.cli.output import document, logs_to_stderr, print_json
from modelmill.errors import DataError

if TYPE_CHECKING:
    from modelmill.config import ProductConfigLoader
    from modelmill.versioning.plan import Stage


@click.group()
def dvc() -> None:
    """Versioned data: what each stage follows, what changed, and what was made from it."""
    logs_to_stderr()


@dvc.command("sync")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 when something would be written.")
@shared
def sync_stages(check: bool, as_json: bool, env: str | None) -> None:
    """Write dvc.yaml and params/ from the pipelines and the declarations; stages that a person wrote stay."""
    from modelmill.versioning.dvc_yaml import DVC_YAML, differing, rendered
    from modelmill.versioning.project import sync
    from modelmill.versioning.repository import Repository, under_dvc

    loader, root, stages = _stages(env)
    changed = differing(rendered(stages.values(), root), root) if check else sync(loader, stages, Repository(root))
    if as_json:
        print_json(document("dvc.sync", check=check, changed=changed))
    else:
        click.echo("\n".join(changed) or "dvc.yaml and params/ are what the declarations say")
    if check and changed:
        raise DataError(f"{len(changed)} file(s) are stale; `kedro dvc sync` writes them.")
    if under_dvc() and DVC_YAML in changed:
        raise DataError("the stages themselves have changed; dvc.yaml was written anew, start `dvc repro` once more.")


@dvc.command("status")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--runnable", is_flag=True, help="Print the last stages whose data is here, for `dvc repro`.")
@shared
def show_status(names: tuple[str, ...], runnable: bool, as_json: bool, env: str | None) -> None:
    """For each stage of all products, or of NAMES: fresh, stale and why, never run, or without data.

    Below, tracked raw data that are missing or altered, which keep `kedro run` from running what reads them.
    """
    from modelmill.cli.output import print_table
    from modelmill.missing import without_data
    from modelmill.pipelines import all_pipelines
    from modelmill.versioning.project import addresses_of
    from modelmill.versioning.status import last_of, status_of
    from modelmill.versioning.tracked import unrecorded

    loader, root, stages = _stages(env)
    absent = without_data(loader, all_pipelines(loader.declarations)["__default__"].nodes)
    rows = status_of(stages, root, names, absent)
    raw = unrecorded(addresses_of(loader, names), root)
    if as_json:
        print_json(document("dvc.status", stages=list(map(asdict, rows)), raw_data=list(map(asdict, raw))))
        return
    if runnable:
        click.echo("\n".join(last_of(rows, stages)))
        return
    print_table(
        "Stages", ["stage", "status", "because of"], [[r.stage, r.status, r.missing or _first(r.changes)] for r in rows]
    )
    for one in raw:
        click.echo(f"`kedro run` stops: {one.message}")


@dvc.command("used-by")
@click.argument("path")
@shared
def show_uses(path: str, as_json: bool, env: str | None) -> None:
    """Models and versions that were made from the file or folder PATH, by what the ledger says.

    A file in a folder that DVC holds as one counts as that folder. Exit code 6 when nothing of this name is known.
    """
    from modelmill.cli.project import opened
    from modelmill.cli.tables import print_uses
    from modelmill.errors import NotFoundError
    from modelmill.registry.view import whole
    from modelmill.versioning.repository import Repository
    from modelmill.versioning.used_by import in_project, silent, uses_of

    office = opened(env)
    asked = in_project(path, office.root)
    states = {name: whole(office.desk, name).state for name in office.desk.names()}
    uses, unsaid = uses_of(asked, states, Repository(office.root).present), silent(states)
    if not uses and not (office.root / asked).exists():
        raise NotFoundError(
            f"'{asked}' is neither there nor known to the ledger; expected a path of the project or the address of a "
            "source, as `kedro model show NAME@VERSION` names them"
        )
    if as_json:
        print_json(document("dvc.used_by", path=asked, versions=[asdict(use) for use in uses], unsaid=unsaid))
    else:
        print_uses(asked, uses, unsaid)


def _first(changes: tuple[Any, ...], most: int = 4) -> str:
    lines = [str(change) for change in changes[:most]]
    return "\n".join([*lines, f"... {len(changes) - most} more"] if len(changes) > most else lines)


def _stages(env: str | None) -> "tuple[ProductConfigLoader, Path, dict[str, Stage]]":
    from modelmill.config import ProductConfigLoader
    from modelmill.versioning.project import stages_of

    loader = ProductConfigLoader.of_project(env)
    return loader, Path(loader.conf_source).parent, stages_of(loader)
