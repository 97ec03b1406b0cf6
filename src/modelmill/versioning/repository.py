"""The one door to DVC: what changed since a stage ran, remembering that it ran, and bringing results back."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmill.errors import DataError
from modelmill.versioning.changes import DELETED, Change, parameter_changes
from modelmill.versioning.dvc_yaml import DVC_YAML, SYNC, plain
from modelmill.versioning.plan import Stage

if TYPE_CHECKING:
    from dvc.repo import Repo


def is_versioned(root: Path) -> bool:
    """Whether the project is under DVC."""
    return (root / ".dvc").is_dir()


def under_dvc() -> bool:
    """Whether DVC has started this process as a stage: then it decides what runs, and remembers it."""
    return "DVC_STAGE" in os.environ


@dataclass(frozen=True)
class Tracked:
    """A file or folder that was put under DVC by `dvc add`: its path, the hash in its `.dvc` file, and the hash of what
    lies there; None when nothing does.
    """

    path: str
    recorded: str | None
    present: str | None


class Repository:
    """DVC's memory of the stages that are in `dvc.yaml` now."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Any] = {}

    @cached_property
    def _repo(self) -> "Repo":
        import logging

        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.WARNING)  # it tells of every stage that it notes
        return Repo(str(self._root))

    @cached_property
    def _loader(self) -> Any:
        """Makes DVC's own stages; both files are read once."""
        from dvc.dvcfile import load_file

        with _in_words():
            return load_file(self._repo, str(self._root / DVC_YAML)).stages

    def _stage(self, name: str) -> Any:
        """DVC's own stage, made when it is asked for (20 ms), and once: of what is remembered it is told."""
        if name not in self._known:
            with _in_words():
                self._known[name] = self._loader[name]
        return self._known[name]

    def changes(self, stage: Stage) -> list[Change]:
        """Differences from what dvc.lock remembers of a stage; none when its results are what would be made again."""
        with _in_words():
            return list(self._changes(stage))

    def _changes(self, stage: Stage) -> Iterator[Change]:
        found = self._stage(stage.name)
        if not any(out.hash_info for out in found.outs):
            yield Change("never run")
            return
        if found.changed_stage():
            yield Change("command", stage.command)
        for params in found.params:
            yield from parameter_changes(plain(params.hash_info.value or {}), plain(stage.parameters))
        code = set(stage.code)
        for dep in found.deps:
            if dep not in found.params and dep.status():
                path = dep.def_path
                yield Change("code" if path in code else "input", path, _hash(dep.hash_info), _present(dep))
        for out in found.outs:
            if out.workspace_status():  # `status` would say of what lies there as recorded that the cache lost it
                yield Change("output", out.def_path, _hash(out.hash_info), _present(out) or DELETED)

    def fingerprint(self, stage: Stage) -> dict[str, Any]:
        """What the results of a stage follow from, now: its parameters, and the hash of every file."""
        deps = [dep for dep in self._stage(stage.name).deps if dep.def_path != stage.parameters_file]
        return {"parameters": plain(stage.parameters), "files": {dep.def_path: _present(dep) for dep in deps}}

    def code(self, stages: Iterable[Stage]) -> dict[str, str | None]:
        """The hash of every file of the code of stages, as it lies there."""
        known: dict[str, str | None] = {}
        for stage in stages:
            own = set(stage.code)
            for dep in self._stage(stage.name).deps:
                if dep.def_path in own and dep.def_path not in known:
                    known[dep.def_path] = _present(dep)
        return known

    def hashes(self, stage: Stage) -> dict[str, str | None]:
        """The hash of every result of a stage as it lies there; None for what is not there."""
        return {out.def_path: _present(out) for out in self._stage(stage.name).outs}

    def present(self, path: str) -> str | None:
        """The hash of a file or folder of the project as it lies there; None for what is not there."""
        from dvc.output import Output

        with _in_words():
            return _present(Output(None, str(self._root / path), cache=False, repo=self._repo))

    def tracked(self, dvc_file: Path) -> list[Tracked]:
        """What a `.dvc` file tracks."""
        with _in_words():
            outs = [out for stage in self._repo.stage.load_all(str(dvc_file)) for out in stage.outs]
            folder = dvc_file.parent.relative_to(self._root)
            return [Tracked((folder / out.def_path).as_posix(), _hash(out.hash_info), _present(out)) for out in outs]

    def keep_anew(self, stage: Stage) -> bool:
        """Put results of an unchanged stage, which DVC's cache has lost, into it again; whether there were any."""
        found = self._stage(stage.name)
        with _in_words():
            lost = any(out.use_cache and out.changed_cache() for out in found.outs)
        if lost:
            self.remember(stage.name)
        return lost

    def restore(self, stage: Stage) -> bool:
        """Bring results back that DVC has kept of an earlier run with the same inputs, code and parameters."""
        from dvc.stage.cache import RunCacheNotFoundError
        from dvc_data.hashfile.hash_info import HashInfo

        with _in_words(), self._repo.lock:
            found = self._stage(stage.name)
            if found.changed_stage() or not found.deps_cached():
                found.save_deps(allow_missing=True)
                for out in found.outs:  # else DVC takes what the former inputs gave for what these give
                    out.hash_info = HashInfo()
            try:
                self._repo.stage_cache.restore(found, dry=True)
            except RunCacheNotFoundError:
                return False
            found.remove_outs()  # as DVC does before a run: it puts nothing in the place of what was altered
            self._repo.stage_cache.restore(found)
            self._remember(found)
        return True

    def remember(self, name: str) -> None:
        """Note in dvc.lock that a stage ran, and keep its results."""
        with _in_words(), self._repo.lock:
            self._remember(self._stage(name))

    def remember_sync(self) -> None:
        """Note that `dvc.yaml` and the parameters are what the declarations say."""
        found = self._stage(SYNC)
        if not found.outs[0].hash_info or any(one.status() for one in (*found.deps, *found.outs)):
            self.remember(SYNC)

    @staticmethod
    def _remember(found: Any) -> None:
        found.save()
        found.commit()
        found.dump(update_pipeline=False)


def _hash(info: Any) -> str | None:
    return str(info.value) if info else None


def _present(item: Any) -> str | None:
    """The hash of a file or folder as it lies there."""
    if not item.exists:
        return None
    return _hash(item.get_hash())


@contextmanager
def _in_words() -> Iterator[None]:
    """What DVC cannot do is an error that the user can mend."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    try:
        yield
    except LockError as error:
        raise DataError(
            f"another DVC command has the project ({error}). Nothing is lost: run the same command again when it is "
            "done, nodes that have finished are skipped."
        ) from error
    except DvcException as error:
        raise DataError(f"DVC: {error}{_remedy(error)}") from error


def _remedy(error: Exception) -> str:
    if "SCM" in type(error).__name__:
        return "\nIs this no Git repository? `git init`, or `dvc config core.no_scm true`."
    if "dvc.lock" in str(error):
        return (
            "\nAfter a merge take one side, `git checkout --ours dvc.lock`, and run: what does not fit is made again."
        )
    return ""
