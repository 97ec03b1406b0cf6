"""The objectives of pretraining as Lightning modules."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import IterableDataset

from modelmill.specs.training import PretrainingTrainingSpec
from modelmill.training.module import TrainedModule
from modelmill.training.objective import Batch

Tensors = dict[str, torch.Tensor]


class LanguageModel(TrainedModule):
    """A model of transformers that computes the loss of its objective itself, from the labels in the batch."""

    def __init__(self, model: Any, spec: PretrainingTrainingSpec) -> None:
        super().__init__(model, spec, spec.max_steps, spec.decay)
        self.tokens_read = 0

    def training_step(self, batch: Tensors, _: int) -> torch.Tensor:
        """Loss of one batch."""
        loss: torch.Tensor = self.model(**batch).loss
        self.tokens_read += int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["labels"].numel()
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch["labels"]))
        return loss

    def validation_step(self, batch: Tensors, _: int) -> None:
        """Loss on held-out text, and what else the objective is judged by."""
        output = self.model(**batch)
        figures = {"loss": output.loss, **self.figures(output, batch)}
        for name, value in figures.items():
            self.log(f"validation_{name}", value, prog_bar=True, batch_size=len(batch["labels"]))

    def figures(self, output: Any, batch: Tensors) -> Tensors:
        """More figures than the loss."""
        return {}


class NextSentenceModel(LanguageModel):
    """Masked language modelling and next-sentence prediction; the loss is the sum of both."""

    def figures(self, output: Any, batch: Tensors) -> Tensors:
        """How often the second piece is told right: 0.5 is chance."""
        right = output.seq_relationship_logits.argmax(-1) == batch["next_sentence_label"]
        return {"next_sentence_accuracy": right.float().mean()}


class BatchStream(IterableDataset[Tensors]):
    """Batches of arrays as batches of tensors."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Tensors]:
        for batch in self.batches:
            yield {name: torch.from_numpy(array) for name, array in batch.items()}
