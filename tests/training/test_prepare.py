"""Adapters and checkpoints of activations."""

import copy
from typing import Any

import pytest
import torch

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec
from modelmill.training.adversarial_module import adversarial_loss
from modelmill.training.parameters_module import depths, layers_of
from modelmill.training.prepare import prepared
from tests.training.models import CONFIGS, classifier

IDS = torch.arange(4, 36).reshape(4, 8)
MASK = torch.ones_like(IDS)
LABELS = torch.tensor([0, 1, 1, 0])


def gradients(model: Any, *, adversary: bool = False) -> dict[str, torch.Tensor]:
    """Of the loss by parameter, under one state of the random numbers."""
    torch.manual_seed(7)
    model.zero_grad()

    def loss() -> torch.Tensor:
        value: torch.Tensor = model(input_ids=IDS, attention_mask=MASK, labels=LABELS).loss
        return value

    total = sum(adversarial_loss(loss, model.get_input_embeddings(), [MASK], 0.1)) if adversary else loss()
    total.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("lora", [{}, {"rank": 2, "alpha": 3, "dropout": 0.5}])
def test_merged_and_unmerged_adapters_give_the_same_logits(kind: str, lora: dict[str, Any]) -> None:
    """Within rounding, and other ones than the model had; what is left is a plain model, with its old names."""
    model = classifier(kind)
    names = list(model.state_dict())
    plain = model.eval()(input_ids=IDS).logits
    with prepared(model.train(), FineTuningSpec(lora=lora)):
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
        for _ in range(3):
            model(input_ids=IDS, attention_mask=MASK, labels=LABELS).loss.backward()
            optimizer.step()
        unmerged = model.eval()(input_ids=IDS).logits
    merged = model(input_ids=IDS).logits
    torch.testing.assert_close(merged, unmerged, rtol=0, atol=1e-6)
    assert (merged - plain).abs().max() > 1e-3
    assert list(model.state_dict()) == names
    assert not [name for name in vars(model) if "peft" in name]


def test_only_adapters_and_head_are_trained() -> None:
    """BERT's six linear maps a layer have two matrices each; pooler and classifier may be new: trained whole."""
    model = classifier("bert")
    whole = sum(p.numel() for name, p in model.named_parameters() if depths(model)[name] == 3)
    with prepared(model, FineTuningSpec(lora={"rank": 2})) as sizes:
        trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert sum("lora_" in name for name in trained) == 2 * 6 * 2
    assert {name for name in trained if "lora_" not in name} == {
        f"{part}.{what}" for part in ("bert.pooler.dense", "classifier") for what in ("weight", "bias")
    }
    adapters = 2 * (4 * 2 * (16 + 16) + 2 * 2 * (16 + 32))
    assert sizes == {"parameters": model.num_parameters(), "trained_parameters": whole + adapters}


@pytest.mark.parametrize(("targets", "count"), [("query", 2), (["attention.self.query", "value"], 4)])
def test_targets_name_linear_maps(targets: Any, count: int) -> None:
    """By the last parts of their names, in every layer."""
    model = classifier("bert")
    with prepared(model, FineTuningSpec(lora={"targets": targets})):
        assert sum(name.endswith("lora_A.default") for name, _ in model.named_modules()) == count


def test_a_target_that_is_not_there_is_named() -> None:
    """With those that are; a part of a word is no name."""
    for target in ("q_proj", "uery"):
        with (
            pytest.raises(DataError, match=rf"finds no linear map {target} .*attention.self.query, .*output.dense"),
            prepared(classifier("bert"), FineTuningSpec(lora={"targets": ["query", target]})),
        ):
            pass


def calls(layer: torch.nn.Module) -> list[int]:
    """Gets a 1 for each forward pass of the layer."""
    seen: list[int] = []
    next(m for m in layer.modules() if isinstance(m, torch.nn.Linear)).register_forward_hook(lambda *_: seen.append(1))
    return seen


@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert"])
@pytest.mark.parametrize(
    "options",
    [{}, {"lora": {"dropout": 0.2}}, {"freeze": {"embeddings": True, "layers": 1}}, {"adversarial": {}}],
    ids=lambda options: next(iter(options), "plain"),
)
def test_checkpoints_of_activations_change_no_gradient(kind: str, options: dict[str, Any]) -> None:
    """Bit by bit, with dropout on. Layers run forward again in the backward pass, but not those that are frozen with
    all that stands before them."""
    found, model = {}, classifier(kind)
    passes = 2 if "adversarial" in options else 1
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    for saving in (False, True):
        trained = copy.deepcopy(model)
        torch.manual_seed(0)  # of the adapters
        with prepared(trained, FineTuningSpec.model_validate({**options, "gradient_checkpointing": saving})):
            counts = [calls(layer) for layer in layers_of(trained)[1]]
            found[saving] = gradients(trained, adversary="adversarial" in options)
        again = [sum(count) > passes for count in counts]
        assert again == ([saving and "freeze" not in options, saving])
    assert found[True].keys() == found[False].keys()
    assert any(name.startswith(f"{model.base_model_prefix}.") for name in found[True])
    assert all(torch.equal(found[True][name], found[False][name]) for name in found[True])


def test_a_model_that_cannot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message in place of a trace."""
    model = classifier("bert")
    monkeypatch.setattr(type(model), "supports_gradient_checkpointing", False)
    with (
        pytest.raises(DataError, match=r"BertForSequenceClassification cannot do `training.gradient_checkpointing`"),
        prepared(model, FineTuningSpec(gradient_checkpointing=True)),
    ):
        pass
