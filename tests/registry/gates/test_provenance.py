"""Gates on where a version comes from, in real repositories of git and DVC."""

import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelmill.registry.gates.base import Case, Finding
from modelmill.registry.gates.provenance import commit, data, environment
from modelmill.registry.lineage import code_lineage
from modelmill.registry.version_files import Subject
from modelmill.specs.product import ProductSpec
from modelmill.specs.registry import CommitGate, Gate
from tests.registry.conftest import BACKBONE, PRODUCT


@dataclass(frozen=True)
class Repository:
    """A project in a folder of a git repository, with DVC."""

    root: Path

    def git(self, *arguments: str) -> None:
        """Run git."""
        command = ["git", "-C", str(self.root), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def dvc(self, *arguments: str) -> None:
        """Run dvc."""
        subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True, cwd=self.root)

    def write(self, name: str, text: str) -> str:
        """Write a file; its SHA-256."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return hashlib.sha256(text.encode()).hexdigest()

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-qm", "change", "--allow-empty")

    def case(self, sources: dict[str, str] | None = None, source: str | None = None, **code: Any) -> Case:
        """A version that was made from what is there now."""
        evidence = self.root.parent.parent / "evidence"
        evidence.mkdir(exist_ok=True)
        lineage = {"code": {**code_lineage(self.root), **code}, "sources": sources or {}}
        (evidence / "lineage.json").write_text(json.dumps(lineage))
        subject = Subject("mood", 1, "", "", "r", evidence, evidence)
        declared = {**PRODUCT.model_dump(mode="json"), **({"source": {"files": source}} if source else {})}
        product = ProductSpec.model_validate(declared)
        return Case(
            subject=subject, incumbent=None, product=product, backbone=BACKBONE, stage="staging", root=self.root,
            test=evidence, test_uses=lambda: 1,
        )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """The project lies in a folder of the repository, on the branch `main`; no DVC yet."""
    root = tmp_path / "repository" / "project"
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(root.parent)], check=True)
    made = Repository(root)
    made.write("requirements.lock", "polars==1.0\n")
    made.commit()
    return made


def says(finding: Finding, status: str, reason: str) -> bool:
    """Whether a finding has this status, and a reason that begins so; shown when it has not."""
    assert finding.reason.startswith(reason)
    return finding.status == status


def test_a_commit_on_a_branch(repository: Repository) -> None:
    """Any branch, or the one that is declared; a branch of a remote will do."""
    case = repository.case()
    sha = case.subject.read("lineage.json")["code"]["git_commit"]
    assert says(commit(CommitGate(), case), "pass", f"commit {sha[:12]} is on main")
    assert says(commit(CommitGate(branch="main"), case), "pass", f"commit {sha[:12]} is on main")
    reason = f"commit {sha[:12]} is not on branch 'release': merge it"
    assert says(commit(CommitGate(branch="release"), case), "fail", reason)
    repository.git("update-ref", "refs/remotes/origin/release", "HEAD")
    assert says(commit(CommitGate(branch="release"), case), "pass", f"commit {sha[:12]} is on origin/release")


def test_a_commit_that_can_be_lost(repository: Repository) -> None:
    """On no branch any more, though git still has it; or of another repository."""
    repository.git("checkout", "-q", "--detach")
    repository.commit()
    case = repository.case()
    assert says(commit(CommitGate(), case), "fail", "commit ")
    assert "is not on any branch: merge it" in commit(CommitGate(), case).reason
    other = repository.case(git_commit="0" * 40)
    assert says(commit(CommitGate(), other), "fail", "cannot tell: commit 000000000000 is not in this repository")


def test_code_that_was_not_committed(repository: Repository) -> None:
    """Changed files, no repository at all, and a 'commit' that would be an option of git."""
    repository.write("new.py", "")
    found = commit(CommitGate(), repository.case())
    assert says(found, "fail", "files beside commit ")
    assert found.reason.endswith("commit them, then `kedro run --namespaces mood.registration --force`")
    for sha in ("none", "--output=/tmp/x"):
        case = repository.case(git_commit=sha)
        for check, gate in ((commit, CommitGate()), (environment, Gate()), (data, Gate())):
            assert says(check(gate, case), "fail", "cannot tell: the version does not say from which commit")


def test_the_environment_is_that_of_the_commit(repository: Repository) -> None:
    """The lock file as it was committed, whatever is there now."""
    case = repository.case()
    repository.write("requirements.lock", "polars==2.0\n")
    assert says(environment(Gate(), case), "pass", "made with requirements.lock of commit")
    assert says(environment(Gate(), repository.case()), "fail", "requirements.lock of commit ")
    assert "is not the one that the version was made with" in environment(Gate(), repository.case()).reason
    repository.git("rm", "-q", "--cached", "requirements.lock")
    repository.git("commit", "-qm", "without")
    assert "has no requirements.lock" in environment(Gate(), repository.case()).reason


def test_files_in_git_are_known(repository: Repository) -> None:
    """By their content at the commit; others are not, nor those outside of the project. DVC is named as the way."""
    sources = {"data/a.txt": repository.write("data/a.txt", "a")}
    repository.commit()
    case = repository.case(sources)
    repository.write("data/a.txt", "changed later")
    assert says(data(Gate(), case), "pass", "1 source file(s) are known to git, DVC or requirements.lock")
    other = data(Gate(), repository.case({"data/a.txt": "0" * 64}))
    assert other.reason.startswith("1 of 1 source file(s) are not known; data/a.txt: git holds another file")
    outside = data(Gate(), repository.case({"/home/a.txt": "0", "hf://datasets/a/b": "0"}))
    assert set(outside.evidence["unknown"]) == {"/home/a.txt", "hf://datasets/a/b"}
    assert all("`dvc add` it" in reason for reason in outside.evidence["unknown"].values())
    without = data(Gate(), repository.case({"data/none.txt": "0"}))
    assert without.reason.startswith("1 of 1 source file(s) are not known; data/none.txt: cannot tell: DVC says: ")
    assert "`dvc add` it" in without.reason


def test_files_in_dvc_are_known(repository: Repository) -> None:
    """One file, or one of a folder, as DVC knew it at the commit and still holds it; else the reason says it."""
    repository.dvc("init", "-q", "--subdir")
    sources = {name: repository.write(name, name) for name in ("data/one.txt", "data/many/a.txt", "data/many/b.txt")}
    repository.dvc("add", "-q", "data/one.txt", "data/many")
    sources["new.txt"] = repository.write("new.txt", "new")
    repository.write(".gitignore", "new.txt\n")
    repository.commit()
    known = {name: digest for name, digest in sources.items() if name != "new.txt"}
    assert says(data(Gate(), repository.case(known)), "pass", "3 source file(s) are known")
    unknown = data(Gate(), repository.case(sources)).evidence["unknown"]
    assert list(unknown) == ["new.txt"]
    assert unknown["new.txt"].startswith("neither git nor DVC knew it at the commit: `dvc add` it")
    case = repository.case({**known, "data/one.txt": "0" * 64})
    assert "data/one.txt: DVC holds another file at commit" in data(Gate(), case).reason
    shutil.rmtree(repository.root / ".dvc/cache")
    assert "cannot tell: DVC knows it, but has no copy here nor in a remote: `dvc push` it" in data(Gate(), case).reason


def test_files_of_packages_are_pinned(repository: Repository) -> None:
    """The lock file of the commit pins the package, the same version is installed, and holds the file that was read."""
    path = Path(importlib.metadata.distribution("kedro").locate_file("kedro/py.typed"))
    pinned, name = f"kedro=={importlib.metadata.version('kedro')}\n", "kedro/py.typed"
    source = {name: hashlib.sha256(path.read_bytes()).hexdigest()}

    def asked(lock: str, sources: dict[str, str], package: str = "kedro") -> Finding:
        repository.write("requirements.lock", lock)
        repository.commit()
        return data(Gate(), repository.case(sources, f"package://{package}/*.txt"))

    assert says(asked("a==1\n" + pinned, source), "pass", "1 source file(s) are known")
    assert "requirements.lock does not pin the package 'kedro'" in asked("kedro-viz==1\n", source).reason
    assert "but requirements.lock pins 0.1" in asked("kedro==0.1\n", source).reason
    assert "is not the one that was read" in asked(pinned, {name: "0" * 64}).reason
    assert "is not the one that was read" in asked(pinned, {"kedro/none.txt": "0" * 64}).reason
    missing = asked(pinned, {"no_such_package/a.txt": "0"}, "no_such_package")
    assert "cannot tell: the package 'no_such_package' is not installed here" in missing.reason
