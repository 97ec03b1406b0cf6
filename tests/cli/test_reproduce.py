"""What `kedro model reproduce` prints, and its exit codes; what builds is replaced."""

from collections.abc import Callable

import pytest

from modelmill.registry.desk import Done
from modelmill.registry.events import Reproduced
from modelmill.registry.office import Outcome
from modelmill.registry.reproduce import flow
from modelmill.registry.reproduce.verdict import Answer, Verdict
from tests.cli.conftest import Registry


@pytest.fixture
def builds(modules: Callable[..., None]) -> Callable[[Verdict], None]:
    """Building comes out so."""

    def built(verdict: Verdict) -> None:
        first, differences = (None, ()) if verdict == "identical" else ("data/train", ("mood.training.seed 4 -> 0",))
        answer = Answer(verdict, "d", first, differences, {"macro_f1": (0.8, 0.7)}, 0.25)
        event = Reproduced(
            actor="ann", version=1, verdict=verdict, digest="d", first=first, differences=answer.differences
        )

        def reproduce(*_: object) -> tuple[Answer, Outcome]:
            return answer, Outcome("mood", Done(event), "")

        modules("reproduce.flow", How=flow.How, plan=flow.plan, reproduce=reproduce)

    return built


@pytest.mark.parametrize(
    ("verdict", "code", "kind"), [("identical", 0, None), ("equivalent", 9, "bit for bit"), ("different", 7, "another")]
)
def test_each_verdict_has_its_exit_code(
    registry: Registry, builds: Callable[[Verdict], None], verdict: Verdict, code: int, kind: str | None
) -> None:
    """The JSON is the answer in every case; for people what differs is said, and the error says it in one line."""
    builds(verdict)
    answer = registry.json("reproduce", "mood@1", code=code)
    assert answer["schema"] == "modelmill.model.reproduce/1"
    assert answer["answer"]["verdict"] == answer["event"]["verdict"] == verdict
    done = registry.run("reproduce", "mood@1")
    assert f"{verdict}: 25.0% of the test records got another label" in done.stdout
    if kind:
        assert kind in done.stderr
        assert "data/train" in done.stderr
        assert "mood.training.seed 4 -> 0" in done.stderr


def test_a_version_that_does_not_say_how_it_was_made_is_not_found(registry: Registry) -> None:
    """Those of this registry have no evidence; a number that is not there is not found either. Nothing is written."""
    for ref in ("mood@1", "mood@9"):
        assert registry.json("reproduce", ref, code=6)["kind"] == "not_found"
    assert registry.events() == ["registered"] * 3
