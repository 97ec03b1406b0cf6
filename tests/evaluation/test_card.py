"""What the model card says of a training."""

from typing import Any

import pytest

from modelmill.evaluation.card import _training, model_card
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.training import FineTuningSpec

REPORT: dict[str, Any] = FineTuningSpec().model_dump(mode="json") | {
    "steps": 3, "epochs": 1, "examples": 9, "tokens": 70, "seconds": 2.0, "precision": "32-true", "best": 0.5,
    "monitor": "macro_f1",
    "tokens_per_second": 35, "share_of_peak": 0.25, "trained_parameters": 5, "parameters": 8,
}  # fmt: skip


@pytest.mark.parametrize(("memory", "said"), [(120, "peak), 120 MiB; learning"), (None, "peak); learning")])
def test_memory_is_said_where_it_is_known(memory: int | None, said: str) -> None:
    """Elsewhere the sentence goes on without it."""
    spec = ProductSpec.model_validate(
        {"task": "text_classification", "source": {"files": "{label}.txt"}, "backbone": "small"}
    )
    assert said in _training(REPORT | {"peak_memory_mb": memory}, spec, BackboneSpec(model="somewhere"))


def test_the_licence_is_said_or_said_to_be_missing() -> None:
    """A reader of the card sees which it is."""
    spec = ProductSpec.model_validate(
        {"task": "text_classification", "source": {"files": "{label}.txt"}, "backbone": "small"}
    )
    report = REPORT | {"peak_memory_mb": None}
    assert "licence: MIT)" in _training(report, spec, BackboneSpec(model="somewhere", licence="MIT"))
    assert "licence: not declared)" in _training(report, spec, BackboneSpec(model="somewhere"))


FIGURE = {"value": 0.9, "low": 0.8, "high": 1.0}
EVALUATION: dict[str, Any] = {
    "labels": {"good": {"support": 9, "precision": FIGURE, "recall": FIGURE, "f1": FIGURE}},
    "metric": "accuracy", "metrics": {"accuracy": FIGURE}, "items": 9, "confidence": 0.95,
    "baselines": {"linear": {"metrics": {"accuracy": FIGURE}, "difference": FIGURE}},
    "leaks": {"in_training": 0, "in_backbone_corpus": None},
}  # fmt: skip


def test_what_people_declare_has_sections_of_its_own() -> None:
    """What it is for stands first, what it is not good at and whom to ask last; what nobody declared is left out."""
    product = {"task": "text_classification", "source": {"files": "{label}.txt"}, "backbone": "small"}
    training, backbone = REPORT | {"peak_memory_mb": None}, BackboneSpec(model="somewhere")

    def headings(**card: str) -> list[str]:
        spec = ProductSpec.model_validate(product | {"card": card})
        text = model_card(EVALUATION, training, {"steps": []}, spec, backbone)
        for said in card.values():
            assert f"\n\n{said}\n" in text
        return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]

    measured = ["Results", "Comparison", "Data", "Training"]
    assert headings() == measured
    assert headings(owner="the team") == [*measured, "Owner"]
    full = headings(intended_use="to sort mail", limitations="no jokes", owner="the team")
    assert full == ["Intended use", *measured, "Limitations", "Owner"]
