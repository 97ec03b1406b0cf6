"""Gates on where a version comes from: code, data and environment that anybody can get again."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from modelmill.errors import SourceError
from modelmill.registry.evidence import LINEAGE
from modelmill.registry.gates.base import Case, Finding
from modelmill.registry.held import dvc_digests
from modelmill.registry.lineage import LOCK, again, git
from modelmill.sources.address import HUB, PACKAGE, file_sha256, local_path
from modelmill.specs.registry import CommitGate, Gate

PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;#]+)", re.MULTILINE)


def commit(gate: CommitGate, case: Case) -> Finding:
    """Git was clean, and the commit is on a branch, so that nobody can lose it."""
    code = _code(case)
    sha = _commit(case)
    if sha is None:
        return _without_commit(case, code)
    if code["git_dirty"] != "false":
        reason = f"files beside commit {sha[:12]} had changed: commit them, then {again(case.subject.name)}"
        return Finding("fail", reason, code)
    found = git(case.root, "for-each-ref", f"--contains={sha}", "--format=%(refname:short)", *_refs(gate.branch))
    if found is None:
        return Finding("fail", f"cannot tell: commit {sha[:12]} is not in this repository: fetch it", code)
    branches = found.decode().split()
    if not branches:
        where = f"branch '{gate.branch}'" if gate.branch else "any branch"
        there = f"merge it, or check that out, `kedro run`, then {again(case.subject.name)}"
        return Finding("fail", f"commit {sha[:12]} is not on {where}: {there}", code)
    return Finding("pass", f"commit {sha[:12]} is on {', '.join(branches[:3])}", {**code, "branches": branches})


def environment(_: Gate, case: Case) -> Finding:
    """The lock file of the commit is the one that was there when the version was made."""
    sha, used = _commit(case), _code(case).get("environment_lock_sha256", "none")
    if sha is None:
        return _without_commit(case)
    lock = git(case.root, "show", f"{sha}:./{LOCK}")
    if lock is None:
        return Finding("fail", f"commit {sha[:12]} has no {LOCK}, or is not in this repository: `make lock`")
    found = hashlib.sha256(lock).hexdigest()
    evidence = {"committed": found, "used": used}
    if found != used:
        return Finding("fail", f"{LOCK} of commit {sha[:12]} is not the one that the version was made with", evidence)
    return Finding("pass", f"made with {LOCK} of commit {sha[:12]}", evidence)


def data(_: Gate, case: Case) -> Finding:
    """Each source file can be had again: from git, from DVC, or from a package that the lock file pins."""
    sha, sources = _commit(case), case.subject.read(LINEAGE)["sources"]
    if sha is None:
        return _without_commit(case)
    packages = {
        source.files.removeprefix(PACKAGE).partition("/")[0]
        for source in case.product.source.root
        if source.files.startswith(PACKAGE)
    }
    packed = {name for name in sources if name.partition("/")[0] in packages}
    pins, owners = (_pins(case, sha), packages_distributions()) if packed else ({}, {})
    reasons = {
        name: _why_not_in_package(name, sources[name], owners.get(name.partition("/")[0], []), pins) for name in packed
    }
    reasons |= _why_not_tracked({name: digest for name, digest in sources.items() if name not in packed}, case, sha)
    unknown = {name: reason for name, reason in reasons.items() if reason}
    evidence = {"sources": sources, "unknown": unknown}
    if unknown:
        name, reason = next(iter(sorted(unknown.items())))
        return Finding(
            "fail", f"{len(unknown)} of {len(sources)} source file(s) are not known; {name}: {reason}", evidence
        )
    return Finding("pass", f"{len(sources)} source file(s) are known to git, DVC or {LOCK}", evidence)


def _without_commit(case: Case, evidence: Mapping[str, Any] | None = None) -> Finding:
    reason = "cannot tell: the version does not say from which commit it was made; commit in a git repository, then "
    return Finding("fail", reason + again(case.subject.name), dict(evidence or {}))


def _code(case: Case) -> dict[str, Any]:
    code: dict[str, Any] = case.subject.read(LINEAGE).get("code", {})
    return code


def _commit(case: Case) -> str | None:
    """The commit, if it looks like one: it becomes an argument of git."""
    found = str(_code(case).get("git_commit"))
    return found if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", found) else None


def _refs(branch: str | None) -> list[str]:
    return [f"refs/heads/{branch}", f"refs/remotes/*/{branch}"] if branch else ["refs/heads", "refs/remotes"]


def _pins(case: Case, sha: str) -> dict[str, str]:
    """Distribution, by its canonical name, to version in the lock file of the commit."""
    lock = (git(case.root, "show", f"{sha}:./{LOCK}") or b"").decode()
    return {_canonical(name): pinned for name, pinned in PIN.findall(lock)}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _why_not_in_package(name: str, digest: str, owners: Sequence[str], pins: dict[str, str]) -> str | None:
    """What is wrong with a file of a package that these distributions hold; None when nothing is."""
    package = name.partition("/")[0]
    pinned = [owner for owner in owners if _canonical(owner) in pins]
    if not owners:
        return f"cannot tell: the package '{package}' is not installed here"
    if not pinned:
        return f"{LOCK} does not pin the package '{package}': add it, and `make lock`"
    owner = pinned[0]
    if version(owner) != pins[_canonical(owner)]:
        return f"cannot tell: {owner} {version(owner)} is installed here, but {LOCK} pins {pins[_canonical(owner)]}"
    try:
        found = file_sha256(local_path(PACKAGE + name, Path("/")))
    except (SourceError, OSError):
        found = "none"
    return None if found == digest else f"the file in {owner} {version(owner)} is not the one that was read"


def _why_not_tracked(sources: dict[str, str], case: Case, sha: str) -> dict[str, str | None]:
    """By file of the project, what is wrong with it at a commit; None when git or DVC hold what was read."""
    reasons: dict[str, str | None] = {}
    for name, digest in sources.items():
        if name.startswith((HUB, "/")):
            reasons[name] = "lies outside of the project: put a copy under data/01_raw, and `dvc add` it"
            continue
        blob = git(case.root, "show", f"{sha}:./{name}")
        if blob is not None:
            same = hashlib.sha256(blob).hexdigest() == digest
            reasons[name] = None if same else f"git holds another file at commit {sha[:12]} than was read"
    rest = [name for name in sources if name not in reasons]
    found = dvc_digests(case.root, sha, rest) if rest else {}
    for name, answer in found.items():
        other = None if answer.sha256 == sources[name] else f"DVC holds another file at commit {sha[:12]} than was read"
        reasons[name] = answer.problem or other
    return reasons
