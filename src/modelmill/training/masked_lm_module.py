"""Masked language modelling as a Lightning module."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import IterableDataset

from modelmill.specs.training import PretrainingTrainingSpec
from modelmill.training.batches import Batch
from modelmill.training.module import TrainedModule


class MaskedLanguageModel(TrainedModule):
    """Predicts masked tokens; -100 in the labels marks positions that are not to be predicted."""

    def __init__(self, model: Any, spec: PretrainingTrainingSpec) -> None:
        super().__init__(model, spec, spec.max_steps, spec.decay)

    def _loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        ids, labels = batch
        loss: torch.Tensor = self.model(input_ids=ids, labels=labels).loss
        return loss

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Loss of one batch."""
        loss = self._loss(batch)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        """Loss on held-out blocks."""
        self.log("validation_loss", self._loss(batch), prog_bar=True, batch_size=len(batch[0]))


class BatchStream(IterableDataset[list[torch.Tensor]]):
    """Batches of arrays as batches of tensors."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        for batch in self.batches:
            yield [torch.from_numpy(array) for array in batch]
