"""What torch and torchmetrics compute of labels of which a record may have several."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.classification import MultilabelAveragePrecision


def multilabel_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of logits and indicators, both (records, labels), in the mean."""
    return binary_cross_entropy_with_logits(logits, labels.float())


class AveragePrecision(MultilabelAveragePrecision):
    """Mean over the labels, at 100 thresholds: of exact ones torch has no deterministic sum on GPUs."""

    def __init__(self, labels: int) -> None:
        super().__init__(labels, thresholds=100)

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Take note of logits and indicators, both (records, labels)."""
        super().update(preds.sigmoid(), target)  # torchmetrics would guess from the numbers whether they are logits
