"""The gates that let versions run."""

from collections.abc import Callable

import pytest

from modelmill.registry.gates.base import Finding
from modelmill.registry.gates.behaviour import cost, robustness
from modelmill.specs.registry import CostGate, RobustnessGate
from tests.registry.gates.conftest import PART_OF_POS, Bench

RULE = RobustnessGate(records=100, at_most=0.15, margin=0.05)


def test_a_version_that_looks_at_a_keyword_is_robust(bench: Bench) -> None:
    """No rewriting touches it but a slip now and then; both models answer the same texts."""
    found = robustness(RULE, bench.case(bench.version(2, set()), bench.version(1, set())))
    assert found.status == "pass"
    assert "allowed are 15.0%, and 5.0% more than version 1" in found.reason
    assert found.evidence["version"] == found.evidence["incumbent"]
    (asked,) = {count for _, count in bench.asked}
    assert 500 < asked <= 100 * 8
    kinds = {one["kind"]: one["changed"] for one in found.evidence["version"]}
    assert kinds["neutral_sentence"] == kinds["mention"] == 0


def test_a_version_that_looks_at_capitals_is_not(bench: Bench) -> None:
    """Both the limit and the incumbent are named."""

    def lost(number: int, text: str) -> dict[str, object]:
        brittle = number == 2 and (text.isupper() or text.islower())
        pos = PART_OF_POS.search(text) and not brittle
        return {"predicted": "pos" if pos else "neg", "p_neg": 0.5, "p_pos": 0.5}

    bench.lost = lost
    found = robustness(RULE, bench.case(bench.version(2, set()), bench.version(1, set())))
    assert found.status == "fail"
    assert "case changes" in found.reason
    assert "more than the incumbent's 0.0% and 5.0%" in found.reason


def test_a_first_version_has_the_limit_alone(bench: Bench) -> None:
    """Nobody else is asked."""
    found = robustness(RULE, bench.case(bench.version(1, set()), None))
    assert (found.status, found.evidence["incumbent"]) == ("pass", None)
    assert {number for number, _ in bench.asked} == {1}


def test_too_few_texts_cannot_tell(bench: Bench) -> None:
    """Ten records are rewritten; thirty are needed of a kind."""
    found = robustness(RobustnessGate(records=10), bench.case(bench.version(1, set()), None))
    assert found.status == "fail"
    assert found.reason.startswith("cannot tell")


@pytest.mark.parametrize("gate", [robustness, cost])
def test_without_texts_nothing_runs(bench: Bench, gate: Callable[..., Finding]) -> None:
    """The test records are not on the disk."""
    case = bench.case(bench.version(1, set()), None)
    case.test.unlink()
    found = gate(RULE if gate is robustness else CostGate(), case)
    assert found.status == "skip"
    assert not bench.asked


def test_cost_is_measured_in_turn(bench: Bench) -> None:
    """Version, incumbent, incumbent, version; the first calls, which take seconds, do not count."""
    version, incumbent = bench.version(2, set()), bench.version(1, set())
    case = bench.case(version, incumbent)
    for subject in (version, incumbent):
        (subject.model / "weights").write_bytes(b"0" * 2**20)
    found = cost(CostGate(calls=50), case)
    assert bench.asked == [(number, 53) for number in (2, 1, 1, 2)]
    assert found.status == "pass"
    assert found.reason.startswith("p95 10.0 ms, 100 MiB of memory, 1.0 MiB of files; version 1: p95 10.0 ms")
    assert found.evidence["ratios"] == {"latency": 1, "memory": 1, "size": 1}


def test_what_is_too_slow_or_too_large_is_named(bench: Bench) -> None:
    """Half as fast, and a megabyte beside hardly anything."""
    bench.speeds[2] = [0.020, 0.020]
    case = bench.case(bench.version(2, set()), bench.version(1, set()))
    (case.subject.model / "weights").write_bytes(b"0" * 2**20)
    found = cost(CostGate(), case)
    assert found.status == "fail"
    assert found.reason.startswith("latency 2.00 times and size ")
    assert "allowed: latency 1.25 times, memory 1.25 times, size 1.5 times" in found.reason


def test_a_busy_machine_cannot_tell(bench: Bench) -> None:
    """Twice as slow, but the incumbent itself was once fast and once slow."""
    bench.speeds = {2: [0.020, 0.020], 1: [0.010, 0.020]}
    found = cost(CostGate(), bench.case(bench.version(2, set()), bench.version(1, set())))
    assert found.status == "fail"
    assert found.reason.startswith("cannot tell: two runs of one version differ by 2.00 times; try an idle machine")


def test_a_first_version_shows_its_figures(bench: Bench) -> None:
    """It runs once."""
    found = cost(CostGate(), bench.case(bench.version(1, set()), None))
    assert found.status == "pass"
    assert found.reason.startswith("a first version: p95 10.0 ms, 100 MiB of memory")
    assert len(bench.asked) == 1
