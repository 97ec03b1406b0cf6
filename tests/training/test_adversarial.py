"""The adversary's move."""

import pytest
import torch

from modelmill.training.adversarial_module import adversarial_loss
from tests.training.models import classifier

IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert"])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_record_is_moved_by_epsilon_along_its_gradient(kind: str, frozen: bool) -> None:
    """The embeddings' output in the second pass minus that in the first is of length epsilon for each record, zero at
    padding, and along the gradient; frozen embeddings are moved too."""
    model = classifier(kind)
    embeddings = model.get_input_embeddings()
    embeddings.weight.requires_grad_(not frozen)
    seen: list[torch.Tensor] = []

    def loss() -> torch.Tensor:
        watch = embeddings.register_forward_hook(lambda _, __, output: seen.append(output))
        value = model(input_ids=IDS, attention_mask=MASK, labels=LABELS).loss
        watch.remove()
        return value

    clean, harder = adversarial_loss(loss, embeddings, [MASK], 0.5)
    move = seen[1] - seen[0]
    assert move.flatten(1).norm(dim=1).tolist() == pytest.approx([0.5, 0.5], rel=1e-4)
    assert move[1, 2:].abs().max() == 0
    (gradient,) = torch.autograd.grad(clean, seen[0], retain_graph=True)
    along = torch.nn.functional.cosine_similarity(move.flatten(1), gradient.flatten(1))
    assert along.tolist() == pytest.approx([1, 1], abs=1e-4)
    assert harder > clean


def test_the_model_is_what_it_was() -> None:
    """No weight is touched and no hook is left, also when the loss cannot be computed."""
    model = classifier("bert")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    embeddings = model.get_input_embeddings()
    adversarial_loss(lambda: model(input_ids=IDS, attention_mask=MASK, labels=LABELS).loss, embeddings, [MASK], 0.5)
    with pytest.raises(ZeroDivisionError):
        adversarial_loss(lambda: torch.zeros(1 // 0), embeddings, [MASK], 0.5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not embeddings._forward_hooks


def test_no_gradient_no_move() -> None:
    """A record that the loss does not depend on stays, and nothing is not a number."""
    embeddings = torch.nn.Embedding(40, 3)
    seen: list[torch.Tensor] = []

    def loss() -> torch.Tensor:
        seen.append(embeddings(IDS))
        return seen[-1][0].square().sum()

    adversarial_loss(loss, embeddings, [MASK], 1.0)
    move = seen[1] - seen[0]
    assert move[0].norm().item() == pytest.approx(1)
    assert move[1].abs().max() == 0


def test_padding_is_not_moved() -> None:
    """Not even where a model reads it: the length is that of the move of the text."""
    embeddings = torch.nn.Embedding(40, 3)
    seen: list[torch.Tensor] = []

    def loss() -> torch.Tensor:
        seen.append(embeddings(IDS))
        return seen[-1].square().sum()

    adversarial_loss(loss, embeddings, [MASK], 1.0)
    move = seen[1] - seen[0]
    assert move[1, :2].norm().item() == pytest.approx(1)
    assert move[1, 2:].abs().max() == 0
