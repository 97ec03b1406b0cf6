"""What torch and torchmetrics compute of standardised numbers."""

from dataclasses import dataclass

import torch
from torchmetrics import R2Score


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of the training records' numbers."""

    mean: float
    deviation: float

    def standard(self, numbers: torch.Tensor) -> torch.Tensor:
        """(records,) in deviations from the mean; large numbers that lie close together keep their differences."""
        return ((numbers.double() - self.mean) / self.deviation).float()

    def loss(self, outputs: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Mean squared error of outputs (records, 1) in squared deviations."""
        return torch.nn.functional.mse_loss(outputs[:, 0], self.standard(numbers))


class StandardR2(R2Score):
    """The coefficient of determination: it is the same of standardised numbers, and safe from large ones."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.scale = scale

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Take note of outputs (records, 1) and numbers (records,)."""
        super().update(preds[:, 0], self.scale.standard(target))
