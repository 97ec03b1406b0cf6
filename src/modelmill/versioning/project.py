"""The stages of the session's project."""

from collections.abc import Collection, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from modelmill.config import ProductConfigLoader
from modelmill.versioning.code import Imports
from modelmill.versioning.dvc_yaml import rendered, write
from modelmill.versioning.given import Given
from modelmill.versioning.invalidation import invalidation, own_stages
from modelmill.versioning.outputs import Datasets
from modelmill.versioning.plan import Declared, Stage, plan_stages, sections_looked_up
from modelmill.versioning.repository import Repository, is_versioned, under_dvc


def stages_of(loader: ProductConfigLoader) -> dict[str, Stage]:
    """All stages by name, each after those whose results it reads, as an environment's declarations make them.

    Raises:
        DeclarationError: for mistakes in the declarations, and for what DVC cannot version.
    """
    from kedro.framework.project import PACKAGE_NAME

    from modelmill.pipelines import all_pipelines

    pipeline = all_pipelines(loader.declarations)["__default__"]
    root = Path(loader.conf_source).parent
    catalog = loader["catalog"]
    made = Datasets(catalog).files(pipeline.all_outputs())
    addresses = [(".".join(map(str, (one.name, *one.path))), one.address) for one in loader.addresses()]
    given = Given(addresses, root, frozenset(made))
    return plan_stages(pipeline, Declared(catalog, loader.portable_parameters, given, Imports(str(PACKAGE_NAME), root)))


def sync(loader: ProductConfigLoader, stages: Mapping[str, Stage], repository: Repository) -> list[str]:
    """Write `dvc.yaml` and the files of parameters, and note in dvc.lock those of the default environment; where DVC
    has started the process, it does so itself.

    Returns:
        the paths that changed.
    """
    root = Path(loader.conf_source).parent
    changed = write(rendered(stages.values(), root), root)
    if is_versioned(root) and loader.of_default_environment and not under_dvc():
        repository.remember_sync()
    return changed


def addresses_of(loader: ProductConfigLoader, owners: Collection[str] = ()) -> list[str]:
    """Addresses that the nodes of products and backbones look up; no owner means all."""
    from modelmill.pipelines import all_pipelines

    nodes = all_pipelines(loader.declarations)["__default__"].nodes
    asked = [node for node in nodes if not owners or (node.namespace or "").partition(".")[0] in owners]
    return [given.address for given in loader.addresses_in(sections_looked_up(asked))]


def own_stages_of(loader: ProductConfigLoader) -> dict[tuple[str, ...], frozenset[str]]:
    """For every key of the parameters, the stages that a change makes stale by itself."""
    rewired = {key: stages_of(_with(loader, key[:-1], value)) for key, value in _rewirings(loader)}
    return own_stages(loader.portable_parameters, stages_of(loader), rewired)


def invalidation_reference(loader: ProductConfigLoader) -> str:
    """What a change makes run again, in Markdown."""
    root = Path(loader.conf_source).parent
    files = [path.relative_to(root).as_posix() for path in (root / "src").rglob("*.py")]
    products = {name: spec.backbone for name, spec in loader.declarations.products.items()}
    return invalidation(own_stages_of(loader), stages_of(loader), products, files)


def _rewirings(loader: ProductConfigLoader) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Keys that decide how the pipelines are put together, each with what its section may say instead."""
    products, backbones = loader.declarations.products, loader.declarations.backbones
    for name, product in products.items():
        yield (name, "evaluation", "random_start"), {"random_start": not product.evaluation.random_start}
        for other in [one for one in backbones if one != product.backbone][:1]:
            yield (name, "backbone"), {"backbone": other}
    taken = [name for name, backbone in backbones.items() if backbone.model][:1]
    for name, backbone in backbones.items():
        if backbone.pretraining is None:
            made = {"corpus": {"products": sorted(products)}}
            yield (name, "pretraining"), {"model": None, "sha256": {}, "pretraining": made}
            continue
        others = sorted({*products} - {*backbone.pretraining.corpus.products})
        yield (name, "pretraining", "corpus", "products"), {"products": others}
        for other in taken:
            yield (name, "model"), {"model": backbones[other].model, "pretraining": None}
            yield (name, "pretraining", "from"), {"from": other, "tokenizer": None, "architecture": None}


def _with(loader: ProductConfigLoader, section: tuple[str, ...], keys: dict[str, Any]) -> ProductConfigLoader:
    """The same declarations, but for some keys of one section."""
    from kedro.framework.project import settings

    asked: Any = reduce(lambda inner, key: {key: inner}, reversed(section), keys)
    return ProductConfigLoader(loader.conf_source, env=loader.env, runtime_params=asked, **settings.CONFIG_LOADER_ARGS)
