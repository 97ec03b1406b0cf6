"""Whether what was built again is the version. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modelmill.registry.exports.facts import flat, pairs
from modelmill.registry.reproduce.environment import package_differences
from modelmill.registry.reproduce.origin import Made

Verdict = Literal["identical", "equivalent", "different"]


@dataclass(frozen=True)
class Answer:
    """What came out.

    `digest` is of the tensors that were built, `first` the first artifact on the way to the model that differs.
    `differences` are those of what the version was made from; where it is identical they made none. `figures` has of
    each metric what it was and is; `relabelled` is the share of test records with another answer.
    """

    verdict: Verdict
    digest: str
    first: str | None
    differences: tuple[str, ...]
    figures: dict[str, tuple[float | None, float | None]]
    relabelled: float


def compare(made: Made, again: Made, way: Sequence[str], tolerance: float) -> Answer:
    """Compare a version with what was built again.

    Args:
        made: the version.
        again: what was built.
        way: paths of the data on the way to the model, in the order in which they are made.
        tolerance: the largest difference of a metric, and the largest share of other answers, of an equivalent.
    """
    then, now = made.figures, again.figures
    figures = {name: (then.get(name), now.get(name)) for name in dict.fromkeys([*then, *now])}
    share = relabelled(made, again)
    verdict: Verdict
    if made.digest == again.digest:
        verdict = "identical"
    elif share <= tolerance and all(_near(*pair, tolerance) for pair in figures.values()):
        verdict = "equivalent"
    else:
        verdict = "different"
    first = None if verdict == "identical" else first_difference(made.lineage["data"], again.lineage["data"], way)
    return Answer(verdict, again.digest, first, tuple(differences(made, again)), figures, share)


def _near(then: float | None, now: float | None, tolerance: float) -> bool:
    return then is not None and now is not None and abs(then - now) <= tolerance


def relabelled(made: Made, again: Made) -> float:
    """Share of the test records of either that the other does not answer, or answers otherwise."""
    then, now = (dict(one.predictions.select("id", "predicted").iter_rows()) for one in (made, again))
    records = {*then, *now}
    others = [one for one in records if then.get(one) != now.get(one)]
    return len(others) / len(records)


def first_difference(then: Mapping[str, str], now: Mapping[str, str], way: Sequence[str]) -> str | None:
    """The first artifact on the way that has another hash, or was not there; None where no hashes were kept."""
    return next((path for path in way if then.get(path) != now.get(path)), None)


def differences(made: Made, again: Made) -> list[str]:
    """What the two were made from that is not the same: 'mood.training.seed 7 -> 42'."""
    then, now = made.lineage, again.lineage
    found = []
    if then["code"]["git_dirty"] != "false":
        found.append("files had changed since the commit when the version was made")
    return [
        *found,
        *_changes({"requirements.lock": _lock(then)}, {"requirements.lock": _lock(now)}),
        *_changes(_short(then["sources"]), _short(now["sources"])),
        *_changes(flat(made.declared), flat(again.declared)),
        *package_differences(then["packages"], now["packages"]),
        *_changes(then["machine"], now["machine"]),
    ]


def _lock(lineage: Mapping[str, Any]) -> str:
    return str(lineage["code"]["environment_lock_sha256"])[:12]


def _short(digests: Mapping[str, str]) -> dict[str, str]:
    return {name: digest[:12] for name, digest in digests.items()}


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"{key} {_shown(old)} -> {_shown(new)}" for key, (old, new) in pairs(then, now).items()]


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
