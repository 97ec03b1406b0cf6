"""Word embeddings of the ids in use."""

from typing import Any

import pytest
import torch

from modelmill.training.vocabulary_module import used_embedding
from tests.training.models import classifier

USED = torch.tensor([0, 5, 6, 9, 39])
IDS = torch.tensor([[5, 6, 9, 39], [9, 9, 0, 0]])


def trained(model: Any, steps: int = 3) -> None:
    """A few steps of AdamW without weight decay."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        model(input_ids=IDS, attention_mask=(IDS > 0).long(), labels=torch.tensor([0, 1])).loss.backward()
        optimizer.step()


@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert", "electra"])
def test_training_is_the_same_with_the_ids_in_use_alone(kind: str) -> None:
    """All weights are the same bits as after training with the whole embedding, names included."""
    whole, part = classifier(kind), classifier(kind)
    trained(whole)
    with used_embedding(part, USED):
        assert part.get_input_embeddings().weight.shape[0] == 5
        trained(part)
    expected, found = whole.state_dict(), part.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_id_that_was_not_announced() -> None:
    """It is an error, not another word's embedding."""
    model = classifier("bert")
    with pytest.raises(IndexError), used_embedding(model, USED):
        model(input_ids=torch.tensor([[5, 7]]))


def test_embeddings_that_are_not_trained() -> None:
    """They stay as they are."""
    model = classifier("bert")
    before = model.get_input_embeddings()
    before.weight.requires_grad_(False)
    with used_embedding(model, USED):
        assert model.get_input_embeddings() is before
