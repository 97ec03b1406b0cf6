"""Gates that let a version run: what it answers to rewritten texts, and what it costs."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from modelmill.evaluation.robustness import LEAST, changes, rewrite_table, told, too_brittle
from modelmill.registry.clean_process import Answers
from modelmill.registry.gates import answers
from modelmill.registry.gates.base import Case, Finding
from modelmill.registry.version_files import Subject
from modelmill.specs.registry import CostGate, RobustnessGate
from modelmill.tasks.task import task_of

WARM = 3
"""Calls before those that count: the first ones fill caches."""
MIB = 2**20


def robustness(declared: RobustnessGate, case: Case) -> Finding:
    """Answers stay the same when texts are rewritten harmlessly: within the limit, and beside the incumbent."""
    task = case.product.task
    if task.target != "class" or "text" not in dict(task_of(task).inputs):
        return Finding("skip", f"asks of texts that get a class; {task.kind} reads or answers something else")
    records = answers.records_of(case)
    if isinstance(records, Finding):
        return records
    table = rewrite_table(records, declared)
    others = records.select("id", *(name for name, _ in task_of(task).inputs if name != "text"))
    asked = table.join(others, on="id", maintain_order="left")
    subjects = [case.subject, *([case.incumbent] if case.incumbent else [])]
    found = [changes(table, answers.ask(task, subject.model, asked).table["label"].to_list()) for subject in subjects]
    ours, theirs = found[0], found[1] if case.incumbent else None
    wrong = too_brittle(ours, theirs, declared)
    evidence = {
        "version": [asdict(one) for one in ours],
        "incumbent": None if theirs is None else [asdict(one) for one in theirs],
    }
    judged = [one for one in ours if one.asked >= LEAST]
    if not judged:
        return Finding("fail", f"cannot tell: no way of rewriting alters {LEAST} of the texts", evidence)
    if wrong:
        return Finding("fail", "; ".join(wrong), evidence)
    most = max(judged, key=lambda one: one.share)
    beside = f", and {declared.margin:.1%} more than version {case.incumbent.version}" if case.incumbent else ""
    reason = f"of {len(judged)} ways of rewriting, {told(most)} most; allowed are {declared.at_most:.1%}{beside}"
    return Finding("pass", reason, evidence)


def cost(declared: CostGate, case: Case) -> Finding:
    """Latency of single records, memory and size, beside the incumbent's.

    Both run twice, in the order version, incumbent, incumbent, version, so that a machine that gets slower or faster
    does so for both; of each the better run counts, since others' work only ever adds. A latency above the limit proves
    nothing where two runs of one version differ by more than that.
    """
    records = answers.records_of(case)
    if isinstance(records, Finding):
        return records
    task, some = case.product.task, records.sort("id")
    asked = some[[i % some.height for i in range(WARM + declared.calls)]]
    if case.incumbent is None:
        own = _figures([answers.ask(task, case.subject.model, asked, singly=True)], case.subject)
        return Finding("pass", f"a first version: {_shown(own)}", {"version": own})
    order = (case.subject, case.incumbent, case.incumbent, case.subject)
    runs = [answers.ask(task, subject.model, asked, singly=True) for subject in order]
    ours, theirs = _figures([runs[0], runs[3]], case.subject), _figures(runs[1:3], case.incumbent)
    limits = {"latency": declared.latency, "memory": declared.memory, "size": declared.size}
    ratios = {name: ours[name] / theirs[name] for name in limits}
    over = [f"{name} {ratios[name]:.2f} times" for name, limit in limits.items() if ratios[name] > limit]
    allowed = ", ".join(f"{name} {limit:g} times" for name, limit in limits.items())
    reason = f"{_shown(ours)}; version {case.incumbent.version}: {_shown(theirs)}; allowed: {allowed}"
    unsteady = max(ours["unsteady"], theirs["unsteady"])
    if over:
        reason = f"{' and '.join(over)} that of version {case.incumbent.version}: {reason}"
    if len(over) == 1 and ratios["latency"] > declared.latency and unsteady > declared.latency:
        reason = f"cannot tell: two runs of one version differ by {unsteady:.2f} times; try an idle machine. {reason}"
    evidence: dict[str, Any] = {"version": ours, "incumbent": theirs, "ratios": ratios}
    return Finding("fail" if over else "pass", reason, evidence)


def _figures(runs: list[Answers], subject: Subject) -> dict[str, float]:
    """95th percentile of the calls in seconds, peak of the process and size of the files in bytes.

    `unsteady` is how many times longer the worse run took.
    """
    latencies = [float(np.quantile(run.seconds[WARM:], 0.95)) for run in runs]
    return {
        "latency": min(latencies),
        "unsteady": max(latencies) / min(latencies),
        "memory": min(run.peak_memory_bytes for run in runs),
        "size": _size(subject.model),
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _shown(figures: dict[str, float]) -> str:
    latency, memory, size = 1000 * figures["latency"], figures["memory"] / MIB, figures["size"] / MIB
    return f"p95 {latency:.1f} ms, {memory:,.0f} MiB of memory, {size:,.1f} MiB of files"
