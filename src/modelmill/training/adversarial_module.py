"""Adversarial training on word embeddings (Miyato et al. 2017, arXiv:1605.07725), known as FGM."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


def adversarial_loss(
    loss: Callable[[], torch.Tensor], embeddings: nn.Embedding, masks: list[torch.Tensor], epsilon: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss as it is, and with each record's word embeddings moved by `epsilon` along the loss's gradient.

    The move is one of the embeddings' output, per record as in the paper, so that no weight is touched and a record's
    move does not depend on what else is in its batch. Costs a second forward pass and one and a half backward passes.

    Args:
        loss: computes the mean loss of a batch; calls `embeddings` once for each mask, in their order.
        embeddings: the model's word embeddings.
        masks: which tokens are no padding, each (records, longest).
        epsilon: Euclidean length of a record's move.
    """
    width = embeddings.embedding_dim
    still = [torch.zeros(*mask.shape, width, device=mask.device, requires_grad=True) for mask in masks]
    with _moved(embeddings, still):
        clean = loss()
    gradients = torch.autograd.grad(clean, still, retain_graph=True)
    with _moved(embeddings, [_move(*pair, epsilon) for pair in zip(gradients, masks, strict=True)]):
        return clean, loss()


def _move(gradient: torch.Tensor, mask: torch.Tensor, epsilon: float) -> torch.Tensor:
    """`epsilon` along each record's gradient (records, longest, width); none where the gradient is zero."""
    flat = (gradient * mask[..., None]).flatten(1)
    return epsilon * nn.functional.normalize(flat, dim=1, eps=torch.finfo(flat.dtype).tiny).view_as(gradient)


@contextmanager
def _moved(embeddings: nn.Embedding, moves: Iterable[torch.Tensor]) -> Iterator[None]:
    """Within, each call of the embeddings gets the next of the moves added."""
    left = iter(moves)
    hook = embeddings.register_forward_hook(lambda _, __, output: output + next(left))
    try:
        yield
    finally:
        hook.remove()
