"""Fine-tuning as declared."""

from typing import Any

import pytest
from pydantic import ValidationError

from modelmill.config import ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.settings import CONFIG_LOADER_ARGS
from modelmill.specs import ProductSpec
from modelmill.specs.training import FineTuningSpec
from tests.conftest import Project


def test_the_defaults_train_everything_plainly() -> None:
    """What was declared before there were options means what it meant."""
    spec = FineTuningSpec()
    assert (spec.schedule, spec.accumulate, spec.layer_decay, spec.l1) == ("linear", 1, 1.0, 0.0)
    assert (spec.class_weights, spec.lora, spec.adversarial) == ("none", None, None)
    assert not spec.freeze.embeddings
    assert spec.freeze.layers == 0
    assert not spec.gradient_checkpointing


@pytest.mark.parametrize("name", ["lora", "adversarial"])
def test_a_choice_without_keys_has_defaults(name: str) -> None:
    """`lora: {}` is a whole declaration."""
    assert getattr(FineTuningSpec.model_validate({name: {}}), name) is not None


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "leave out `lora` or `freeze`": {"lora": {}, "freeze": {"embeddings": True, "layers": "all"}},
    "leave out `lora` or `layer_decay`": {"lora": {}, "layer_decay": 0.9},
    "leaves no layer to train": {"freeze": {"embeddings": True, "layers": "all"}, "layer_decay": 0.9},
    "`warmup` must lie between 0 and 1": {"schedule": "one_cycle", "warmup": 0},
    "`class_weights` names no label": {"class_weights": {}},
}


@pytest.mark.parametrize("message", CONTRADICTIONS)
def test_contradictions_are_refused(message: str) -> None:
    """Each says which keys do not go together; one of them alone is fine."""
    declared = CONTRADICTIONS[message]
    with pytest.raises(ValidationError, match=message):
        FineTuningSpec.model_validate(declared)
    if len(declared) > 1:
        for key, value in declared.items():
            FineTuningSpec.model_validate({key: value})


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"class_weights": "balancd"}, "'balancd' is not known; expected one of none, balanced; did you mean 'balanced'"),
    ({"class_weights": {"neg": 0, "pos": 1}}, r"class_weights.neg: input should be greater than 0, got 0"),
    ({"class_weights": {False: 1, "pos": 1}}, "truth value false; put it in quotes"),
    ({"schedule": "cos"}, "'cos' is not known; expected one of linear, cosine, one_cycle; did you mean 'cosine'"),
    ({"lora": {"rnk": 3}}, "unknown key; expected one of alpha, dropout, rank, targets; did you mean 'rank'"),
    ({"micro_batches": "many"}, r"training.micro_batches: 'many' is not known; expected one of auto; or: input should"),
    ({"adversarial": 1.0}, "adversarial: expected a section with keys below it, got 1.0"),
]


@pytest.mark.parametrize(("training", "message"), MISTAKES)
def test_a_mistake_is_one_message_with_its_line(project: Project, training: dict[str, Any], message: str) -> None:
    """One mistake, not one for each kind of value that would have been right."""
    project.declare("products", {"mood": {"training": training}}, env="local")
    loader = ProductConfigLoader(str(project.root / "conf"), **CONFIG_LOADER_ARGS)
    with pytest.raises(DeclarationError, match=rf"^1 mistake in.*\n.*mood.yml:[34]: .*{message}"):
        _ = loader.declarations


def test_weights_are_of_the_labels_that_the_contract_allows() -> None:
    """A misspelt label is found before any data is read; labels that are numbers may be written as numbers."""
    product: dict[str, Any] = {"task": "text_classification", "source": {"files": "a.csv"}, "backbone": "b"}
    product |= {"contract": {"labels": [0, 1]}}
    spec = ProductSpec.model_validate(product | {"training": {"class_weights": {0: 1, 1: 2.5}}})
    assert spec.training.class_weights == {"0": 1.0, "1": 2.5}
    with pytest.raises(ValidationError, match=r"`training.class_weights` has 0, 2, but `contract.labels` has 0, 1"):
        ProductSpec.model_validate(product | {"training": {"class_weights": {0: 1, 2: 2}}})
