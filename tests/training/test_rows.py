"""What no one looks at can be left out."""

import copy
from typing import Any

import pytest
import torch

from modelmill.training.rows_module import HEADS, NeededRows
from tests.training.models import CONFIGS, classifier

IDS = torch.arange(4, 28).view(3, 8)
MASK = torch.tensor([[1] * 8, [1] * 5 + [0] * 3, [1] * 2 + [0] * 6])


def gradients(model: Any, loss: torch.Tensor) -> list[torch.Tensor]:
    """Of all parameters that have one."""
    model.zero_grad()
    loss.backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "modernbert", "distilbert"])
def test_a_classifier_that_looks_at_the_first_token(kind: str) -> None:
    """Its logits and all gradients are the same when the last layer computes that token only."""
    options = {"classifier_pooling": "cls"} if kind == "modernbert" else {}
    model = classifier(kind, **options)
    rows = NeededRows(model)
    whole = model(input_ids=IDS, attention_mask=MASK).logits
    expected = gradients(model, whole.square().sum())
    with rows.only():
        rows.index = torch.arange(3) * 8 if rows.first_token_only else None
        found = model(input_ids=IDS, attention_mask=MASK).logits
        torch.testing.assert_close(found, whole)
        torch.testing.assert_close(gradients(model, found.square().sum()), expected)
    assert rows.first_token_only == (kind != "distilbert")


def test_a_classifier_that_looks_at_all_tokens() -> None:
    """Nothing is left out where the mean of all tokens is looked at."""
    assert not NeededRows(classifier("modernbert")).first_token_only


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "modernbert", "distilbert"])
def test_a_language_model_that_is_asked_for_a_few_tokens(kind: str) -> None:
    """Its logits of these tokens and all gradients are the same when nothing else is computed."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(kind, **CONFIGS[kind]))
    rows, index = NeededRows(model), torch.tensor([1, 7, 10, 16])
    whole = model(input_ids=IDS, attention_mask=MASK).logits.flatten(0, 1)[index]
    expected = gradients(model, whole.square().sum())
    with rows.only():
        rows.index = rows.asked = index
        found = model(input_ids=IDS, attention_mask=MASK).logits
        found = found if kind in HEADS else found.flatten(0, 1)[index]
        torch.testing.assert_close(found, whole)
        torch.testing.assert_close(gradients(model, found.square().sum()), expected)


def test_afterwards_the_model_computes_all() -> None:
    """No hook stays."""
    model = classifier("bert")
    with NeededRows(model).only():
        pass
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_copy_of_the_model_leaves_out_the_same() -> None:
    """What is sharded over processes is a copy, whose hooks must see which tokens count now."""
    model = classifier("bert")
    rows = NeededRows(model)
    with rows.only():
        copied = copy.deepcopy(model)
        rows.index = torch.arange(3) * 8
        found = copied.bert(input_ids=IDS, attention_mask=MASK).last_hidden_state
    whole = model.bert(input_ids=IDS, attention_mask=MASK).last_hidden_state
    torch.testing.assert_close(found[:, 0], whole[:, 0])
    assert not torch.allclose(found[:, 1], whole[:, 1])
