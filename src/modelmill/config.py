"""Kedro's configuration with products and backbones in it, resolved once for everybody who asks."""

import json
import os
import re
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from kedro.config import OmegaConfigLoader
from kedro.utils import find_kedro_project
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from modelmill.errors import DeclarationError
from modelmill.sources.address import why_missing
from modelmill.specs.augmentation import AugmentationSpec
from modelmill.specs.files import DeclarationFile, DeclarationFiles, Key, Kind, Problem, Whole, dotted, hint, locate
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec
from modelmill.specs.resolve import SPECS, Declarations, S, check_whole, report, resolve
from modelmill.specs.source import Sources, SourceSpec

# Asked for by `kedro product validate` only: in a run, cleaning takes out what breaks the contract, or stops.
RAW = {"class": "modelmill.datasets.contracts.RawRecords", "enabled": False}
CLEAN = {"class": "modelmill.datasets.contracts.KeptRecords", "enabled": False}
SPLIT = {"class": "modelmill.datasets.contracts.KeptRecords", "on": ["load"]}
VALIDATORS: dict[str, dict[str, Any]] = {"raw": RAW, "clean": CLEAN, "train": SPLIT, "validation": SPLIT, "test": SPLIT}
"""By table of a product, the `validator:` that the catalog gets; its options are the product's contract."""


class ProductConfigLoader(OmegaConfigLoader):
    """An `OmegaConfigLoader` whose parameters hold every product and backbone with all defaults filled in.

    Files: `<env>/products/*.yml`, `<env>/backbones/*.yml`, `<env>/mlflow.yml` and `<env>/registry.yml`; the run
    environment overrides single keys of base, and `--params` single keys of products and backbones.
    """

    latest: ClassVar["ProductConfigLoader | None"] = None
    """The loader made last, which is the running session's; the pipeline registry cannot ask for it otherwise."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.env and not (Path(self.conf_source) / self.env).is_dir():
            environments = sorted(path.name for path in Path(self.conf_source).iterdir() if path.is_dir())
            raise DeclarationError(f"--env: there is no folder conf/{self.env}; {hint(self.env, environments)}")
        ProductConfigLoader.latest = self

    @classmethod
    def of_project(cls, env: str | None = None) -> "ProductConfigLoader":
        """A loader as a session of the project around this folder would make it."""
        from kedro.framework.project import settings

        root = find_kedro_project(Path.cwd())
        assert root is not None, "Kedro offers the project's commands inside a project only"
        conf_source = str(root / settings.CONF_SOURCE)
        return cls(conf_source=conf_source, env=env or os.environ.get("KEDRO_ENV"), **settings.CONFIG_LOADER_ARGS)

    def __getitem__(self, key: str) -> dict[str, Any]:
        if key != "parameters":
            found: dict[str, Any] = super().__getitem__(key)
            return self._with_contracts(found) if key == "catalog" else found
        return {
            **self._plain_parameters,
            **self.declarations.as_parameters(),
            "mlflow": self.mlflow.model_dump(),
            "registry": self.registry.model_dump(mode="json", by_alias=True),
            "project_root": str(self._root),
        }

    @property
    def of_default_environment(self) -> bool:
        """Whether neither `--env` nor `--params` says otherwise than the files that everybody has."""
        return not (self.env or self.runtime_params)

    @property
    def portable_parameters(self) -> dict[str, Any]:
        """The parameters as they are on every machine: without the paths of this one."""
        parameters = {key: value for key, value in self["parameters"].items() if key != "project_root"}
        return {**parameters, "mlflow": _or_raise(*self._mlflow).model_dump()}

    def _with_contracts(self, catalog: dict[str, Any]) -> dict[str, Any]:
        """The catalog, and in it the tables of each product with its contract as their validator."""
        tables = {}
        for name, product in self.declarations.products.items():
            options = product.contract.model_dump(mode="json")
            for table, validator in VALIDATORS.items():
                own = catalog.get(f"{name}.{table}")
                entry = own or json.loads(json.dumps(catalog[f"{{name}}.{table}"]).replace("{name}", name))
                tables[f"{name}.{table}"] = {"validator": {**validator, "options": options}, **entry}
        return {**catalog, **tables}

    @property
    def _root(self) -> Path:
        return Path(self.conf_source).parent

    @cached_property
    def _plain_parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().__getitem__("parameters")
        return parameters

    @cached_property
    def _own_parameters(self) -> set[str]:
        """Names in the parameter files, without those that `--params` adds."""
        bare = OmegaConfigLoader(
            self.conf_source,
            env=self.env,
            base_env=self.base_env,
            default_run_env=self.default_run_env,
            config_patterns={"parameters": self.config_patterns["parameters"]},
            merge_strategy={"parameters": "soft"},
        )
        return set(bare["parameters"])

    @property
    def mlflow(self) -> MlflowSpec:
        """Where MLflow is, with paths from the project's root.

        Raises:
            DeclarationError: with every mistake of its files.
        """
        return _or_raise(*self._mlflow).anchored(self._root)

    @property
    def registry(self) -> RegistrySpec:
        """How models get from stage to stage. Mistakes in products do not keep anybody from rolling one back.

        Raises:
            DeclarationError: with every mistake of its files.
        """
        return _or_raise(*self._registry).anchored(self._root)

    @cached_property
    def _mlflow(self) -> tuple[MlflowSpec | None, list[Problem]]:
        return self._whole("mlflow", MlflowSpec)

    @cached_property
    def _registry(self) -> tuple[RegistrySpec | None, list[Problem]]:
        return self._whole("registry", RegistrySpec)

    def _whole(self, kind: Whole, spec: type[S]) -> tuple[S | None, list[Problem]]:
        found = DeclarationFiles.find_whole(kind, self._folders, self._root)
        raw, failed = self._merge(found, {})
        return check_whole(spec, raw, found, [*found.problems, *failed])

    @property
    def _folders(self) -> list[Path]:
        """Of the environments, later ones over earlier ones."""
        return [
            Path(self.conf_source) / env for env in dict.fromkeys((self.base_env, self.env or self.default_run_env))
        ]

    @cached_property
    def declarations(self) -> Declarations:
        """All products and backbones.

        Raises:
            DeclarationError: with every mistake of every file and of `--params`.
        """
        files = self._files = {kind: DeclarationFiles.find(kind, self._folders, self._root) for kind in SPECS}
        problems = [*self._mlflow[1], *self._registry[1]]
        raw: dict[Kind, dict[str, Any]] = {}
        for kind, found in files.items():
            raw[kind], failed = self._merge(found, self.runtime_params or {})
            problems += found.problems + failed
        for name in sorted({*raw["products"], *raw["backbones"]} & self._own_parameters):
            problems.append(Problem("conf/*/parameters.yml", name, "a product or backbone has this name; rename one"))
        known = [*raw["products"], *raw["backbones"], *sorted(self._own_parameters), *_asked_for(files)]
        for name in sorted(set(self.runtime_params or {}) - set(known)):
            problems.append(
                Problem("--params", name, f"no product, backbone or parameter of this name; {hint(name, known)}")
            )
        return resolve(raw, files, problems, self._registry[0])

    def missing_sources(self, sections: Collection[str]) -> Iterator[tuple[str, Problem]]:
        """Addresses in these sections that are not on this machine, and which product or backbone names them."""
        for given in self.addresses_in(sections):
            command = f"`kedro product fetch {given.name}`" if given.source and given.source.download else None
            if message := why_missing(given.address, self._root, command):
                path = (given.name, *given.path)
                place = locate(path, self._files[given.kind].holding(given.name))
                yield given.name, Problem(place, dotted(path), message)

    def addresses_in(self, sections: Collection[str]) -> Iterator["GivenAddress"]:
        """Those of `addresses` that these sections of the parameters (`mood`, `mood.source`) hold."""
        for given in self.addresses():
            place = "".join(f"{key}." for key in (given.name, *given.path))
            if any(place.startswith(f"{section}.") for section in sections):
                yield given

    def addresses(self) -> Iterator["GivenAddress"]:
        """Everything that is read from outside."""
        for name, product in self.declarations.products.items():
            yield from _files("products", name, ("source",), product.source)
            yield from _files("products", name, ("cleaning", "benchmarks"), product.cleaning.benchmarks)
            for i, step in enumerate(product.augmentation.root):
                addresses = [step.lexicon, *step.models] if isinstance(step, AugmentationSpec) else []
                for address in filter(None, addresses):
                    yield GivenAddress("products", name, ("augmentation", i), address)
        for name, backbone in self.declarations.backbones.items():
            if backbone.model:
                yield GivenAddress("backbones", name, ("model",), backbone.model)
            if backbone.pretraining:
                corpus = backbone.pretraining.corpus
                yield from _files("backbones", name, ("pretraining", "corpus", "sources"), corpus.sources)
                path = ("pretraining", "corpus", "cleaning", "benchmarks")
                yield from _files("backbones", name, path, corpus.cleaning.benchmarks)

    def _merge(self, found: DeclarationFiles, params: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """Merge the files and `--params`; an interpolation that does not resolve is a problem of its declaration."""
        super().__getitem__("parameters")  # registers the resolvers of `${globals:...}` and `${runtime_params:...}`
        problems: list[Problem] = []
        merged: Any = OmegaConf.create({})  # a DictConfig; OmegaConf's own types say: or a list
        for file in found.files:
            merged = _laid_over(merged, file.text or "{}", file, problems)
        names = {str(name) for name in merged}
        overrides = {name: value for name, value in params.items() if name in names}
        if overrides:
            found.files.append(DeclarationFile("--params", Path(), lines=dict.fromkeys(_paths(overrides), 0)))
            merged = _laid_over(merged, overrides, found.files[-1], problems)
        plain = {}
        for name in sorted(names):
            try:
                value = merged[name]
                plain[name] = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            except OmegaConfBaseException as error:
                key = (name, *str(error.full_key or "").split(".")[1:])
                problems.append(Problem(locate(key, found.holding(name)), dotted(key), str(error).splitlines()[0]))
        return plain, problems


class GivenAddress(NamedTuple):
    """An address, which product or backbone names it and where, and its source, if it is of one."""

    kind: Kind
    name: str
    path: Key
    address: str
    source: SourceSpec | None = None


def _files(kind: Kind, name: str, path: Key, sources: Sources) -> Iterator[GivenAddress]:
    for i, source in enumerate(sources.root):
        yield GivenAddress(kind, name, (*path, i, "files"), source.files, source)


def _or_raise(declared: S | None, problems: list[Problem]) -> S:
    if declared is None:
        raise DeclarationError(report(problems))
    return declared


def _laid_over(merged: Any, content: Any, file: DeclarationFile, problems: list[Problem]) -> Any:
    """The content of a file over what earlier files say; what does not fit is noted, and left out."""
    try:
        above = OmegaConf.create(content)
        if clash := _clash(OmegaConf.to_container(merged), OmegaConf.to_container(above)):
            message = "a list lies over keys here, or keys over a list; write it as in the file that it overrides"
            problems.append(Problem(locate(clash, [file]), dotted(clash), message))
            return merged
        return OmegaConf.merge(merged, above)
    except (YAMLError, OmegaConfBaseException) as error:
        problems.append(Problem(f"{file.shown}:1", "", f"OmegaConf cannot read this: {str(error).splitlines()[0]}"))
        return merged


def _clash(below: Any, above: Any, path: Key = ()) -> Key | None:
    """Where two declarations cannot be merged, because one has a list and the other keys."""
    if isinstance(below, dict) and isinstance(above, dict):
        inner = (_clash(below[key], above[key], (*path, key)) for key in above if key in below)
        return next(filter(None, inner), None)
    return path if {type(below), type(above)} == {dict, list} else None


def _paths(value: Any, prefix: Key = ()) -> Iterator[Key]:
    """Every path in nested mappings."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield (*prefix, key)
        yield from _paths(inner, (*prefix, key))


def _asked_for(files: dict[Kind, DeclarationFiles]) -> list[str]:
    """Names that declarations take from the command line by `${runtime_params:NAME...}`."""
    texts = [file.text or "" for found in files.values() for file in found.files]
    return re.findall(r"runtime_params:\s*(\w+)", "\n".join(texts))
