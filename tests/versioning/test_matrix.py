"""Every key of the demo products and every source file makes exactly the stages stale that the reference declares."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project
from pydantic import BaseModel, ValidationError

from modelmill.config import ProductConfigLoader
from modelmill.settings import CONFIG_LOADER_ARGS
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec
from modelmill.specs.resolve import SPECS, Declarations
from modelmill.versioning import given, project
from modelmill.versioning.code import Imports
from modelmill.versioning.plan import Stage
from tests.conftest import ROOT

Path_ = tuple[str, ...]

TOGETHER: dict[Path_, dict[str, Any]] = {
    ("split", "by"): {"by": "stratified"},
    ("split", "train"): {"train": 0.6, "validation": 0.2, "test": 0.2},
    ("split", "validation"): {"train": 0.6, "validation": 0.3, "test": 0.1},
    ("split", "test"): {"train": 0.6, "validation": 0.1, "test": 0.3},
    ("training", "strategy"): {"strategy": "fsdp", "devices": 2},
    ("pretraining", "training", "strategy"): {"strategy": "fsdp", "devices": 2},
    ("pretraining", "objective"): {"objective": "masked_lm_nsp", "architecture": {"kind": "bert"}},
    ("signing", "approvals"): {"approvals": "required"},
    ("model",): {"model": "data/backbone", "pretraining": None},
    ("pretraining",): {"model": None, "sha256": {}, "pretraining": {"corpus": {"products": ["news_topic"]}}},
    ("pretraining", "from"): {"from": "minilm", "tokenizer": None, "architecture": None},
}
"""Keys that cannot be changed alone, and what their section says instead."""

PRODUCTS = ("news_topic", "review_sentiment")
TIME = "needs the time of each record, which these sources do not have"
UNCHANGED = {
    ("news_topic", "task", "kind"): "another kind has other keys",
    ("review_sentiment", "task", "kind"): "another kind has other keys",
    **{
        (name, "contract", key): "follows from the kind of task" for name in PRODUCTS for key in ("target", "separator")
    },
    **{
        (name, "architecture"): "another way of making it: `model`, or `pretraining`, is in its place"
        for name in ("minilm", "zh_small")
    },
    **{(name, "training", "batch_images"): "is for images" for name in PRODUCTS},
    **{(name, "split", "validation_from"): TIME for name in PRODUCTS},
    **{(name, "split", "test_from"): TIME for name in PRODUCTS},
    ("registry", "retired"): "no other stage of the demo may be the retired one",
    ("zh_small", "sha256"): "a backbone that is made here has none",
}
"""Keys without another value, and why."""


class Demo:
    """The declarations of conf/base, planned again with other values; the import graph and digests are read once."""

    def __init__(self) -> None:
        configure_project("modelmill")
        self.loader = ProductConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
        self.parameters = self.loader.portable_parameters
        self.own = project.own_stages_of(self.loader)
        self.stages = project.stages_of(self.loader)

    def changed_by(self, name: str, spec: BaseModel) -> set[str]:
        """Names of the stages that are others once a product, backbone or file of a whole is declared so."""
        return self._differing(self._planned(name, spec))

    def _differing(self, other: dict[str, Stage]) -> set[str]:
        return {name for name, stage in self.stages.items() if other.get(name) != stage}

    def _planned(self, name: str, spec: BaseModel) -> dict[str, Stage]:
        loader = ProductConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
        declared = self.loader.declarations
        products, backbones = dict(declared.products), dict(declared.backbones)
        if name in ("mlflow", "registry"):
            vars(loader)[f"_{name}"] = (spec, [])
        else:
            place: Any = products if name in products else backbones
            place[name] = spec
        vars(loader)["declarations"] = Declarations(products, backbones)
        vars(loader)["_plain_parameters"] = {}
        return project.stages_of(loader)

    def spec(self, name: str) -> type[BaseModel]:
        """What a section of the parameters is declared by."""
        kind = "products" if name in self.loader.declarations.products else "backbones"
        return {"mlflow": MlflowSpec, "registry": RegistrySpec}.get(name, SPECS[kind])


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """Planned with one import graph, and each file of a package read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "Imports", cache(Imports))
        patch.setattr(Imports, "closure", once(Imports.closure, frozenset))
        patch.setattr(OmegaConfigLoader, "__getitem__", once(OmegaConfigLoader.__getitem__, str))
        patch.setattr(given, "_digest", cache(given._digest))
        yield Demo()


def once(method: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    """A method that answers the same for all objects, once for each argument."""
    known: dict[Any, Any] = {}

    def answer(self: Any, argument: Any) -> Any:
        asked = key(argument)
        if asked not in known:
            known[asked] = method(self, argument)
        return known[asked]

    return answer


NAMES = ["news_topic", "minilm", "review_sentiment", "zh_small", "mlflow", "registry"]


@pytest.mark.parametrize("name", NAMES)
def test_each_key_makes_exactly_the_declared_stages_stale(demo: Demo, name: str) -> None:
    """Every key of the resolved declaration gets another valid value, and the plans differ where the reference says."""
    checked = 0
    for path in (path for path in demo.own if path[0] == name):
        if path in UNCHANGED:
            continue
        other = another(demo.spec(name), demo.parameters[name], path[1:])
        after = {name: other.model_dump(mode="json", by_alias=True)}
        changed = [one for one in demo.own if one[0] == name and at(after, one) != at(demo.parameters, one)]
        assert path in changed
        assert demo.changed_by(name, other) == set().union(*(demo.own[one] for one in changed)), path
        checked += 1
    assert checked


def at(value: Any, path: Path_) -> Any:
    """What stands at a path; None where it ends before."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def another(spec: type[BaseModel], declared: dict[str, Any], path: Path_) -> BaseModel:
    """The declaration with another value of one key, the first that is valid."""
    before = spec.model_validate(declared)
    for section in sections(declared, path):
        try:
            found = spec.model_validate(section)
        except ValidationError:
            continue
        if found != before:
            return found
    raise AssertionError(f"{spec.__name__}: {'.'.join(path)} has no other value; put it into TOGETHER")


def sections(declared: dict[str, Any], path: Path_) -> Iterator[dict[str, Any]]:
    """Declarations with other values of one key."""
    if path in TOGETHER:
        yield laid_over(declared, path[:-1], TOGETHER[path])
        return
    for other in values(at(declared, path)):
        yield laid_over(declared, path[:-1], {path[-1]: other})


def laid_over(declared: dict[str, Any], path: Path_, keys: dict[str, Any]) -> dict[str, Any]:
    """A copy with other keys in a section."""
    if path:
        return {**declared, path[0]: laid_over(declared[path[0]], path[1:], keys)}
    return {**declared, **keys}


WORDS = (
    "minilm", "zh_small", "bf16-mixed", "cosine", "balanced", "review", "group", "accuracy", "byte_bpe", "bert", "MIT",
    "sqlite:///other.db", "archived", "candidate", "text", "1h", "a" * 64,
)  # fmt: skip


SWAPPED = {"minilm": "movie_items", "zh_small": "minilm"}
"""As `project._rewirings` does."""


def values(value: Any) -> Iterator[Any]:
    """What may be valid instead of a value."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value * 2, value / 2, 0.5, 0.9, 0.01)
    elif isinstance(value, str) and value in SWAPPED:
        yield SWAPPED[value]
    elif isinstance(value, str):
        yield from (f"{value}x", *WORDS, 2)
    elif isinstance(value, list) and value:
        yield from (value[:-1], [*value, value[-1]])
        yield [{**one, "encoding": "gb18030"} if isinstance(one, dict) else one for one in value]
    else:
        yield from ({"card": {}}, {"url": "https://example.com/hook"})
        yield from ({"staging": [{"metric": "accuracy", "at_least": 0.5}]}, {"config.json": "a" * 64}, {}, *WORDS)
        yield from (["review_sentiment"], ["gopher_quality"], [{"files": "data/x.txt"}], [{"kind": "swap"}], ["a", "b"])
        yield from ({"allowed": ["zh"]}, 1, True, 0.02)


def test_each_source_file_makes_exactly_those_stages_stale_that_import_it(demo: Demo) -> None:
    """An independent reading of the imports finds for each file of src/modelmill the same stages."""
    kinds = {name: spec.task.implementation for name, spec in demo.loader.declarations.products.items()}
    found = {
        name: needed_files(stage, kinds.get(stage.namespace.partition(".")[0])) for name, stage in demo.stages.items()
    }
    for name, stage in demo.stages.items():
        assert set(stage.code) == found[name], name


def needed_files(stage: Stage, kind: str | None) -> set[str]:
    """Files of the package that the modules of a stage's functions and datasets import, by their syntax; who asks a
    kind of task calls the product's own, by its name."""
    functions = [node["function"] for node in stage.parameters["nodes"].values()]
    todo = [function.rpartition(".")[0] for function in functions] + ["modelmill.datasets"]
    seen: set[str] = set()
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += imported(module)
            todo += [kind.partition(":")[0]] if kind and module == "modelmill.tasks.task" else []
    packages = {".".join(module.split(".")[:n]) for module in seen for n in range(1, module.count(".") + 2)}
    return {file.relative_to(ROOT).as_posix() for file in map(source, packages) if file}


@cache
def source(module: str) -> Path | None:
    """Where the package's own module lies."""
    path = ROOT.joinpath("src", *module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


@cache
def imported(module: str) -> list[str]:
    """Modules of the package that a module imports, at its top or in a function, not under TYPE_CHECKING."""
    file = source(module)
    assert file is not None
    found = []
    for node in walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{name.name}" for name in node.names]
            found += [name if name.startswith("modelmill") and source(name) else node.module for name in names]
    return [name for name in found if name.startswith("modelmill") and source(name)]


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All below a node that runs."""
    yield node
    for inner in ast.iter_child_nodes(node):
        if not (isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)):
            yield from walk(inner)
