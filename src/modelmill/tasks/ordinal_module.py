"""What torch and torchmetrics compute of labels that have an order."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid
from torchmetrics.classification import MulticlassCohenKappa


def ordinal_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """CORN (Shi, Cao and Raschka 2021, arXiv:2111.08851): logit k asks, of the records that are above label k - 1 only,
    whether they are above label k. The sum for a record is minus the log of its label's probability; the mean over
    records, not over questions as in the paper, is the same however a batch is cut.

    Args:
        logits: (records, labels - 1).
        labels: place of each in the order, (records,).
        weights: how much a record of each label weighs, (labels,).
    """
    places = torch.arange(logits.shape[1], device=logits.device)
    above, asked = labels[:, None] > places, labels[:, None] >= places
    losses = binary_cross_entropy_with_logits(logits, above.float(), reduction="none")
    each = (losses * asked).sum(1)
    return (each if weights is None else each * weights.to(each.device)[labels]).mean()


def log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Of each label, (records, labels), by the chain of conditional probabilities: what is not above label k stays."""
    passed = torch.nn.functional.pad(logsigmoid(logits).cumsum(1), (1, 0))
    return passed + torch.nn.functional.pad(logsigmoid(-logits), (0, 1))


class OrdinalKappa(MulticlassCohenKappa):
    """Cohen's kappa with quadratic weights, of the most probable labels."""

    def __init__(self, labels: int) -> None:
        super().__init__(labels, weights="quadratic")

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Take note of logits (records, labels - 1) and places (records,)."""
        super().update(log_probabilities(preds).argmax(1), target)
