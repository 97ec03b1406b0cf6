"""Gates that compare what a version and the incumbent answer to the same test records."""

from dataclasses import asdict
from typing import Any

from modelmill.errors import DataError
from modelmill.evaluation.non_inferiority import Comparison, compare, least_items
from modelmill.evaluation.slices import VISIBLE, Part, compare_parts, negative_flips, parts_of
from modelmill.registry.evidence import EVALUATION
from modelmill.registry.gates.answers import FIRST, both_answers, records_of
from modelmill.registry.gates.base import Case, Finding, Status
from modelmill.specs.registry import CalibrationGate, NonInferiorityGate, SlicesGate
from modelmill.specs.task import Better
from modelmill.tasks.outcome import Resampling, difference

CONFIDENCE = 0.95
"""One-sided, of the bound that the gate of the calibration shows."""


def non_inferiority(declared: NonInferiorityGate, case: Case) -> Finding:
    """Not worse than the incumbent beyond the margin; a first version: than the baselines of its evaluation."""
    if case.incumbent is None:
        return _beside_baselines(declared, case)
    metric, known = declared.metric or case.product.metric, case.product.task.metrics
    if metric not in known:
        raise DataError(f"`non_inferiority.metric` is `{metric}`; expected one of {', '.join(known)}")
    pair = both_answers(case)
    if isinstance(pair, Finding):
        return pair
    found = compare(*pair.outcomes(), metric, declared)
    reason = _told(found, declared, case.incumbent.version, known[metric])
    if found.verdict == "cannot tell":
        reason = (
            f"cannot tell: {reason}. They answer {found.disagreements:,} records differently, which may be up to "
            f"{found.bounds['disagreement']:.1%} of all: an equally good version would pass with "
            f"{found.bounds['power']:.0%}, not {declared.power:.0%}. {found.bounds['needed']:,.0f} records would do"
        )
    elif found.verdict != "not worse":
        reason += ": it is worse" if found.verdict == "worse" else ": it may be worse by more than the margin"
    evidence = {**asdict(found), "predictions": pair.source}
    return Finding("pass" if found.verdict == "not worse" else "fail", reason, evidence)


def _told(found: Comparison, rule: NonInferiorityGate, incumbent: int, direction: Better) -> str:
    """'macro_f1 0.842 against 0.839 of version 3 on the same 1,771 records: difference 0.003, at least -0.006 ...'."""
    bound, gain = found.bounds["low"], found.bounds["gain"]
    sign, side = (-1, "at most") if direction == "smaller" else (1, "at least")
    return (
        f"{found.metric} {found.version:.3f} against {found.incumbent:.3f} of version {incumbent} on the same "
        f"{found.items:,} records: difference {_rounded(sign * gain)}, {side} {_rounded(sign * bound)} "
        f"({rule.confidence:.0%}), margin {rule.margin:.3f}"
    )


def _rounded(value: float) -> str:
    return f"{value:.3f}".replace("-0.000", "0.000")


def _beside_baselines(declared: NonInferiorityGate, case: Case) -> Finding:
    """By the paired intervals of the evaluation: the baselines' answers themselves are not kept."""
    report = case.subject.read(EVALUATION)
    metric, items = report["metric"], report["items"]
    if declared.metric not in (None, metric):
        raise DataError(
            f"a first version is compared with the baselines by `{metric}`, the product's `evaluation.metric`, and not "
            f"by `{declared.metric}`; set `evaluation.metric`, evaluate and register again"
        )
    one_sided = (1 + report["confidence"]) / 2
    if one_sided < declared.confidence:
        raise DataError(
            f"the evaluation's intervals bound a difference with {one_sided:.1%}, but the gate wants "
            f"{declared.confidence:.1%}; raise `evaluation.confidence`, evaluate and register again"
        )
    sign, needed = -1 if case.product.task.metrics[metric] == "smaller" else 1, least_items(declared)
    told, verdicts = [], set()
    for name, other in report["baselines"].items():
        gain = sorted(sign * other["difference"][bound] for bound in ("low", "high"))
        told.append(f"{name} {other['metrics'][metric]['value']:.3f} (difference at least {_rounded(gain[0])})")
        verdicts.add(_verdict(gain[0], gain[1], declared.margin, items >= needed))
    reason = (
        f"a first version, so compared with the baselines: {metric} {report['metrics'][metric]['value']:.3f} against "
        f"{' and '.join(told)} on the same {items:,} records, {one_sided:.1%}, margin {declared.margin:.3f}"
    )
    if "cannot tell" in verdicts and "worse" not in verdicts:
        reason = f"cannot tell: {reason}; at least {needed:,} records are needed, and more where the two often disagree"
    evidence = {"metric": metric, "items": items, "baselines": report["baselines"], "least_items": needed}
    return Finding("pass" if verdicts == {"not worse"} else "fail", reason, evidence)


def _verdict(low: float, high: float, margin: float, enough: bool) -> str:
    if high < 0 and low <= -margin:
        return "worse"
    return "not worse" if low > 0 or (low > -margin and enough) else "cannot tell"


def slices(declared: SlicesGate, case: Case) -> Finding:
    """No part of the test records on which the version is worse; the records that it lost are listed by their ids.

    A part in which the loss that is to be found would not have been found makes the gate warn: it cannot tell. It does
    not fail there, or a small test set would let nothing pass.
    """
    if case.incumbent is None:
        return Finding("pass", FIRST)
    pair = both_answers(case)
    if isinstance(pair, Finding):
        return pair
    records: Any = pair.version
    if set(declared.by) - {"label"}:
        records = records_of(case)
        if isinstance(records, Finding):
            return records
        if not records["id"].equals(pair.version["id"]):
            raise DataError("the predictions that are kept with the version are not of its test records")
    ours, theirs = (one.right() for one in pair.outcomes())
    if ours is None or theirs is None:
        return Finding("skip", f"asks which answers are right; those of {case.product.task.kind} are more or less good")
    parts = compare_parts(ours, theirs, parts_of(records, declared.by), declared)
    flips = negative_flips(pair.version["id"].to_list(), ours, theirs)
    evidence = {"parts": [asdict(part) for part in parts], "negative_flips": flips, "predictions": pair.source}
    if all(part.adjusted is None for part in parts):
        return Finding("fail", f"cannot tell: no part has {declared.min_items} records", evidence)
    status, told = _of_parts(declared, case.incumbent.version, parts)
    counts = f"{len(flips):,} records that version {case.incumbent.version} had right are wrong now"
    return Finding(status, f"{told}. {counts}", evidence)


def _of_parts(rule: SlicesGate, incumbent: int, parts: list[Part]) -> tuple[Status, str]:
    judged = [part for part in parts if part.adjusted is not None]
    if lost := [part for part in judged if part.is_worse(rule)]:
        return "fail", f"worse than version {incumbent} on {'; '.join(map(_lost, lost))}"
    if unseen := [part for part in parts if not part.can_tell(rule)]:
        return "warn", f"cannot tell: {_unseen(unseen, rule)}. {_kept(judged)}"
    return "pass", _kept(judged)


def _lost(part: Part) -> str:
    return (
        f"{part.name}: accuracy {part.version:.3f} against {part.incumbent:.3f} of {part.items:,} records "
        f"(p {part.adjusted:.3g}, adjusted)"
    )


def _unseen(parts: list[Part], rule: SlicesGate) -> str:
    """'a loss of 3.0% would not have been found with 80% on label neg (from 4.2%), label odd (12 records)'."""
    named = [
        f"{part.name} ({f'{part.items:,} records' if part.visible is None else f'from {part.visible:.1%}'})"
        for part in parts
    ]
    return f"a loss of {rule.detectable:.1%} would not have been found with {VISIBLE:.0%} on {', '.join(named)}"


def _kept(parts: list[Part]) -> str:
    seen = sorted((part.visible or 0, part.name) for part in parts)
    least = min(part.adjusted or 0 for part in parts)
    return (
        f"none of {len(parts)} parts is shown to be worse (least p {least:.2f}, adjusted); a loss would have been seen "
        f"with 80% from {seen[0][0]:.1%} ({seen[0][1]}) to {seen[-1][0]:.1%} ({seen[-1][1]})"
    )


def calibration(declared: CalibrationGate, case: Case) -> Finding:
    """The calibration error is not larger by more than the margin.

    The difference itself decides. The plug-in error of 15 bins is biased upwards (Kumar et al. 2019, arXiv:1909.10155),
    resampling adds to that, and it is in both models alike: the difference is sound, a bound of it less so. Where the
    bound is beyond the margin the gate warns.
    """
    if "calibration_error" not in case.product.task.metrics:
        return Finding("skip", f"{case.product.task.kind} gives no probabilities of its answers")
    if case.incumbent is None:
        return Finding("pass", FIRST)
    pair = both_answers(case)
    if isinstance(pair, Finding):
        return pair
    spec = case.product.evaluation
    version, incumbent = pair.outcomes()
    resampling = Resampling(spec.bootstrap, 2 * CONFIDENCE - 1, spec.seed)
    found = difference(version, incumbent, "calibration_error", resampling)
    status: Status = "warn" if found["high"] > declared.margin else "pass"
    if found["value"] > declared.margin:
        status = "fail"
    return Finding(
        status,
        f"calibration error beside version {case.incumbent.version} on the same {version.items:,} records: "
        f"difference {_rounded(found['value'])}, at most {_rounded(found['high'])} ({CONFIDENCE:.0%}), margin "
        f"{declared.margin:.3f}",
        {"difference": found, "predictions": pair.source},
    )
