"""How `kedro run` runs: stage by stage, leaving out what is as it was, and noting in DVC what is done."""

import logging
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks.markers import hook_spec
from kedro.runner import SequentialRunner
from kedro.runner.task import Task

from modelmill.config import ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.missing import with_data
from modelmill.versioning.dvc_yaml import differing, rendered, says
from modelmill.versioning.journal import Journal
from modelmill.versioning.outputs import Datasets
from modelmill.versioning.plan import Stage, makers
from modelmill.versioning.project import stages_of, sync
from modelmill.versioning.repository import Repository, is_versioned, under_dvc

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node
    from pluggy import PluginManager

log = logging.getLogger(__name__)


class StageSpecs:
    """Hooks of the runner: a class among `HOOKS` in settings.py implements them with Kedro's `hook_impl`."""

    @hook_spec
    def after_stage_skipped(self, nodes: "list[Node]") -> None:
        """Nodes do not run, because what they make is there: their stage is as it was, or was brought back."""


class StageRunner(SequentialRunner):
    """Runs the stages of a pipeline one after another; what has not changed since it ran, as DVC knows, is skipped.

    A stage of which only some nodes are asked for runs, and is not noted as done. Where DVC has started the process, it
    decides and notes. A project without DVC runs whole.
    """

    def __init__(self, is_async: bool = False, *, force: bool = False) -> None:
        """
        Args:
            is_async: as Kedro has it.
            force: run what has not changed, too.
        """
        super().__init__(is_async=is_async)
        self._force = force

    def __repr__(self) -> str:
        # kedro-viz draws how a run went only where it reads this class's name: https://github.com/kedro-org/kedro-viz/issues/2443
        return "<modelmill.runner.StageRunner, which is a kedro.runner.sequential_runner.SequentialRunner object>"

    def _run(
        self,
        pipeline: "Pipeline",
        catalog: "CatalogProtocol[Any, Any]",
        hook_manager: "PluginManager | None" = None,
        run_id: str | None = None,
    ) -> None:
        loader = ProductConfigLoader.latest
        assert loader is not None, "the session has made one"
        pipeline, _ = with_data(loader, pipeline)  # the hook has said what is left out
        root = Path(loader.conf_source).parent
        if not is_versioned(root):
            log.info("This project is not under DVC, so everything runs; `dvc init` lets what is unchanged be skipped.")
            super()._run(pipeline, catalog, hook_manager, run_id)
            return
        stages = stages_of(loader)
        asked = {name for name, stage in stages.items() if {node.name for node in pipeline.nodes} & {*stage.nodes}}
        repository = Repository(root)
        if under_dvc():
            _check_in_step(differing(rendered(stages.values(), root), root))
        else:
            sync(loader, stages, repository)
            _warn_of_stale(stages, asked, repository)
        work = _Work(self, pipeline, catalog, hook_manager, run_id)
        datasets = Datasets(loader["catalog"])
        to_run = [stage for name, stage in stages.items() if name in asked]
        code = repository.code(to_run)  # what this process imports, whatever happens to the files meanwhile
        for stage in to_run:
            self._run_stage(stage, work, _Files(root, stage, repository, datasets, code))

    def _run_stage(self, stage: Stage, work: "_Work", files: "_Files") -> None:
        nodes = [node for node in work.pipeline.nodes if node.name in stage.nodes]
        whole = len(nodes) == len(stage.nodes)
        repository = files.repository
        if whole and not under_dvc() and not self._force and _is_there(stage, repository):
            work.skip(nodes)
            return
        follows = files.follows()
        journal = Journal(files.root, stage.name, follows)
        if self._force or not whole:
            journal.forget()
        going_on = True
        for node in nodes:
            going_on = going_on and not _reads_the_run(node) and journal.finished(node.name, files.written(node))
            if going_on:
                log.info("%s: finished in a run that was broken off, skipped", node.name)
                work.skip([node])
                continue
            work.run(node)
            if whole:
                journal.note(node.name, files.written(node))
        if not whole:
            log.info("%s: only a part was asked for, so it does not count as done", stage.name)
        elif not under_dvc():
            _remember(stage, files, follows)
        journal.forget()


class _Work:
    """Runs nodes of a pipeline one by one."""

    def __init__(
        self,
        runner: StageRunner,
        pipeline: "Pipeline",
        catalog: "CatalogProtocol[Any, Any]",
        hook_manager: "PluginManager | None",
        run_id: str | None,
    ) -> None:
        self.pipeline = pipeline
        self._runner, self._catalog, self._hooks, self._run_id = runner, catalog, hook_manager, run_id
        if hook_manager is not None:
            hook_manager.add_hookspecs(StageSpecs)
        self._loads = Counter(chain.from_iterable(node.inputs for node in pipeline.nodes))

    def skip(self, nodes: "list[Node]") -> None:
        """Tell that nodes do not run."""
        if self._hooks is not None:
            self._hooks.hook.after_stage_skipped(nodes=nodes)

    def run(self, node: "Node") -> None:
        """Run a node, and let go of what no other one reads."""
        task = Task(node, self._catalog, self._runner._is_async, self._hooks, run_id=self._run_id)
        task.execute()
        log.info("Completed node: %s", node.name)
        self._runner._release_datasets(node, self._catalog, self._loads, self.pipeline)


class _Files:
    """What a stage's nodes write."""

    def __init__(
        self, root: Path, stage: Stage, repository: Repository, datasets: Datasets, code: Mapping[str, str | None]
    ) -> None:
        self.root, self.repository = root, repository
        self._stage, self._datasets, self._code = stage, datasets, code

    def follows(self) -> dict[str, Any]:
        """What the results follow from: the inputs as they lie there, the code as it was when the run began."""
        now = self.repository.fingerprint(self._stage)
        return {**now, "files": {path: self._code.get(path, hash_) for path, hash_ in now["files"].items()}}

    def written(self, node: "Node") -> dict[str, str | None]:
        """The hash of each result of a node by path; None for one that is not there, or in memory only."""
        hashes = self.repository.hashes(self._stage)
        files = {name: self._datasets.file(name) for name in node.outputs}
        return {file.path if file else name: hashes.get(file.path) if file else None for name, file in files.items()}


def _is_there(stage: Stage, repository: Repository) -> bool:
    """Whether what a stage makes is there, or could be brought back; says so, or why it is not."""
    changes = repository.changes(stage)
    if not changes:
        kept = "; DVC's cache had lost its results and has them again" if repository.keep_anew(stage) else ""
        log.info("%s: unchanged, skipped%s", stage.name, kept)
    elif repository.restore(stage):
        log.info("%s: has run like this before, its results are brought back", stage.name)
    else:
        more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
        log.info("%s: runs: %s%s", stage.name, "; ".join(map(str, changes[:3])), more)
        return False
    return True


def _reads_the_run(node: "Node") -> bool:
    """Whether a node notes from which commit and in which run of MLflow: of a run that was broken off it is another."""
    return any(name.endswith(".mlflow_run") for name in node.inputs)


def _remember(stage: Stage, files: _Files, follows: Mapping[str, Any]) -> None:
    """Note that a stage ran, if what it follows is still there as it was read: DVC notes what lies there at the end."""
    now = files.repository.fingerprint(stage)["files"]
    changed = [path for path, hash_ in now.items() if follows["files"][path] != hash_]
    if not changed and not says(stage, files.root):
        changed = [stage.parameters_file]
    if changed:
        log.warning("%s: %s changed while it ran, so it does not count as done; run it again", stage.name, changed[0])
    else:
        files.repository.remember(stage.name)


def _check_in_step(differing: list[str]) -> None:
    """Under DVC nothing is written that DVC has read already."""
    if differing:
        raise DeclarationError(
            f"{differing[0]} is not what the declarations say here (--env, conf/local or an edit since): run "
            "`kedro dvc sync`, then `dvc repro` again."
        )


def _warn_of_stale(stages: Mapping[str, Stage], asked: set[str], repository: Repository) -> None:
    """A part of a pipeline reads what earlier stages made; if they would make something else now, say so."""
    maker = makers(stages.values())
    above = set(asked)
    for name in reversed([*stages]):  # each stands after those whose results it reads
        if name in above:
            above |= {maker[path] for path in stages[name].inputs if path in maker}
    for stage in (stage for name, stage in stages.items() if name in above - asked):
        if changes := repository.changes(stage):
            log.warning(
                "%s is stale and not run; what it made is read as it is: %s. `kedro run --namespaces %s` runs it.",
                stage.name, changes[0], stage.namespace,
            )  # fmt: skip
