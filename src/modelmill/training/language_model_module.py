"""The objectives of pretraining as Lightning modules."""

from collections.abc import Callable
from typing import Any

import torch

from modelmill.specs.training import PretrainingTrainingSpec
from modelmill.training.module import TrainedModule
from modelmill.training.objective import Batch, Stream

Tensors = dict[str, torch.Tensor]


class LanguageModel(TrainedModule):
    """A model of transformers that computes the loss of its objective itself, from the labels in the batch."""

    def __init__(self, model: Any, spec: PretrainingTrainingSpec, stream: Stream) -> None:
        super().__init__(model, spec, spec.max_steps, spec.decay)
        self._stream, self._steps = stream, spec.max_steps

    def epoch_batches(self, epoch: int) -> tuple[Callable[[int], Tensors], int]:
        """All steps are one epoch to Lightning; the corpus may be gone through more often, or not to its end."""
        return lambda i: tensors(self._stream[i]), self._steps

    def loss(self, batch: Tensors) -> torch.Tensor:
        """Loss of one batch."""
        loss: torch.Tensor = self.model(**batch).loss
        return loss

    def sizes(self, batch: Tensors) -> tuple[int, int]:
        """Tokens and blocks; pairs alone are padded, elsewhere the mask says who sees whom."""
        ids = batch["input_ids"]
        return int(batch["attention_mask"].sum()) if "token_type_ids" in batch else ids.numel(), len(ids)

    def part(self, batch: Tensors, part: int, parts: int) -> Tensors:
        """Every `parts`-th block."""
        return {name: value[part::parts].contiguous() for name, value in batch.items()}

    def weight(self, batch: Tensors) -> int:
        """Tokens to predict."""
        return int((batch["labels"] >= 0).sum())

    def training_step(self, piece: tuple[Tensors, float], _: int) -> torch.Tensor:
        """Loss of one batch."""
        batch, factor = piece
        loss = self.loss(batch) * factor
        self.note(batch)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch["labels"]))
        return loss

    def validation_step(self, counted: tuple[Tensors, bool], _: int) -> None:
        """Loss on held-out text, and what else the objective is judged by."""
        batch, counts = counted
        output = self.model(**batch)
        for name, value in {"loss": output.loss, **self.figures(output, batch)}.items():
            self.judge(name, value, len(batch["labels"]) * counts)

    def figures(self, output: Any, batch: Tensors) -> Tensors:
        """More figures than the loss."""
        return {}


class NextSentenceModel(LanguageModel):
    """Masked language modelling and next-sentence prediction; the loss is the sum of both."""

    def figures(self, output: Any, batch: Tensors) -> Tensors:
        """How often the second piece is told right: 0.5 is chance."""
        right = output.seq_relationship_logits.argmax(-1) == batch["next_sentence_label"]
        return {"next_sentence_accuracy": right.float().mean()}


def tensors(batch: Batch) -> Tensors:
    """Arrays as tensors."""
    return {name: torch.from_numpy(array) for name, array in batch.items()}
