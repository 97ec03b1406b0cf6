"""Where a record went: tables, models, versions."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from kedro.framework.session import KedroSession
from kedro.io import DataCatalog
from kedro.utils import find_kedro_project

from modelmill.config import ProductConfigLoader
from modelmill.forget.places import Place, places_of
from modelmill.forget.plan import to_do
from modelmill.forget.result import Holder, Kind, Trace, VersionVerdict
from modelmill.forget.shelf import Shelf, fill_shelf
from modelmill.forget.verdicts import judge_version
from modelmill.pipelines import all_pipelines
from modelmill.registry.versions import registered_versions, registry_exists
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.resolve import Declarations


def trace_record(identity: str, env: str | None) -> Trace:
    """Find a record in everything that the project has on disk and in its registry; nothing is changed.

    Args:
        identity: id of the record, as in `raw`.
        env: environment of the configuration.

    Raises:
        DataError: when a table cannot be read.
        RegistryError: when MLflow cannot be reached or refuses.
    """
    root = find_kedro_project(Path.cwd()) or Path.cwd()
    session = KedroSession.create(project_path=root, env=env)
    with session:
        catalog = session.load_context().catalog
        loader = ProductConfigLoader.latest
        assert loader is not None
        declared, settings = loader.declarations, MlflowSpec.model_validate(loader["parameters"]["mlflow"])
        assert isinstance(catalog, DataCatalog)
        shelves = search(identity, places_of(catalog, [*declared.products, *declared.backbones]), declared)
    corpora = corpora_of(shelves)
    names = [name for name, shelf in shelves.items() if shelf.kind != "backbone"]
    versions = [judge_version(v, shelves[v.name].ids, corpora) for v in registered_versions(settings, names)]
    holders = hold(shelves, versions, declared)
    uses = {name: spec.backbone for name, spec in declared.products.items()}
    made = all_pipelines(declared)["__default__"].all_outputs()
    looked_at = {
        "tables": sum(len(shelf.tables) for shelf in shelves.values()),
        "folders": sum(len(shelf.folders) for shelf in shelves.values()),
        "versions": len(versions),
    }
    registry = str(settings.registry_uri or settings.tracking_uri)
    where = registry if registry_exists(settings) else f"{registry} (not there yet)"
    return Trace(identity, looked_at, where, holders, to_do(identity, holders, uses, made, env))


def search(identity: str, own: Mapping[str, list[Place]], declared: Declarations) -> dict[str, Shelf]:
    """By name, what each product and backbone has; what is on disk but no longer declared too."""
    shelves = {}
    for name in sorted(own.keys() - declared.backbones.keys()):
        kind: Kind = "product" if name in declared.products else "not declared"
        shelves[name] = fill_shelf(name, kind, own[name], identity)
    for name, spec in declared.backbones.items():
        givers = spec.pretraining.corpus.products if spec.pretraining else []
        related = {*givers, *(product for product, user in declared.products.items() if user.backbone == name)}
        foreign = set().union(*(shelves[product].ids for product in related)) - {identity}
        shelves[name] = fill_shelf(name, "backbone", own[name], identity, foreign)
    return shelves


def corpora_of(shelves: Mapping[str, Shelf]) -> dict[str, bool]:
    """By digest of each corpus on disk, whether the record is in it."""
    return {digest: held for shelf in shelves.values() for digest, held in shelf.corpus.items()}


def hold(shelves: Mapping[str, Shelf], versions: Iterable[VersionVerdict], declared: Declarations) -> list[Holder]:
    """What everybody has of the record, with the verdicts on what was made from it."""
    corpora, versions = corpora_of(shelves), list(versions)
    verdicts = {folder.name: folder.verdict for s in shelves.values() for folder in s.judged(corpora, None)}
    holders = []
    for name, shelf in shelves.items():
        spec = declared.products.get(name)
        folders = shelf.judged(corpora, verdicts.get(f"{spec.backbone}_backbone") if spec else None)
        own = [version for version in versions if version.name == name]
        holders.append(Holder(name, shelf.kind, sorted(shelf.ids), shelf.alike, shelf.held, folders, own))
    return holders
