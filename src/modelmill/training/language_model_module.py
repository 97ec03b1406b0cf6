"""The objectives of pretraining as Lightning modules."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from modelmill.specs.backbone import Objective
from modelmill.specs.training import PretrainingTrainingSpec
from modelmill.training.module import TrainedModule
from modelmill.training.objective import Batch, Stream

Tensors = dict[str, torch.Tensor]

FACTORS = "factors"
"""Of a part: by which the mean over its predicted tokens is multiplied, and that over its rows (2,)."""


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
        inputs, predicted, _ = _weighted(batch)
        loss: torch.Tensor = self.model(**inputs).loss
        return loss * predicted

    def losses(self, batch: Tensors) -> tuple[torch.Tensor, Tensors]:
        """The loss, which is also what is logged."""
        loss = self.loss(batch)
        return loss, {"train_loss": loss}

    def largest_batch(self) -> Tensors:
        """Any: all have the same size."""
        return tensors(self._stream[0])

    def part(self, batch: Tensors, part: int, parts: int) -> Tensors:
        """Some of the blocks; in causal ones each has as many labels, though the first is not predicted."""
        rows = len(batch["labels"])
        empty = part >= rows
        piece = {name: tensor[:1] if empty else tensor[part::parts].contiguous() for name, tensor in batch.items()}
        shares = _predicted(piece) / max(1, _predicted(batch)), len(piece["labels"]) / rows
        piece[FACTORS] = torch.tensor([0.0 if empty else parts * share for share in shares])
        if not _predicted(piece):  # a mean over nothing is no number
            piece["labels"] = piece["labels"].clone()
            piece["labels"][0, -1] = piece["input_ids"][0, -1]
        return piece

    def sizes(self, batch: Tensors) -> tuple[int, int]:
        """Tokens and blocks; pairs alone are padded, elsewhere the mask says who sees whom."""
        ids = batch["input_ids"]
        if FACTORS in batch and not batch[FACTORS][1]:
            return 0, 0
        return int(batch["attention_mask"].sum()) if "token_type_ids" in batch else ids.numel(), len(ids)

    def validation_step(self, counted: tuple[Tensors, bool], _: int) -> None:
        """Loss on held-out text, and what else the objective is judged by."""
        batch, counts = counted
        for name, value in self.figures(batch).items():
            self.judge(name, value, len(batch["labels"]) * counts)

    def figures(self, batch: Tensors) -> Tensors:
        """Of a batch to validate on."""
        return {"loss": self.loss(batch)}


class MaskedLanguageModel(LanguageModel):
    """A masked language model, whose last layer and head compute only what is to be predicted."""

    def loss(self, batch: Tensors) -> torch.Tensor:
        """The mean over masked tokens."""
        inputs, predicted, _ = _weighted(batch)
        return self._words(inputs)[0] * predicted

    def _words(self, inputs: Tensors, *more: str) -> tuple[torch.Tensor, Any]:
        """Mean loss of the masked tokens, and what the model says of the batch without `labels` and `more` of it."""
        labels = inputs["labels"].flatten()
        self.rows.asked = (labels != -100).nonzero()[:, 0]
        self.rows.index = self._looked_at(inputs)
        output = self.model(**{name: tensor for name, tensor in inputs.items() if name not in {"labels", *more}})
        logits = output[0]
        if logits.ndim == 3:  # a head that does not leave out
            logits = logits.flatten(0, 1)[self.rows.asked]
        return cross_entropy(logits.float(), labels[self.rows.asked]), output

    def _looked_at(self, inputs: Tensors) -> torch.Tensor | None:
        return self.rows.asked


class NextSentenceModel(MaskedLanguageModel):
    """Masked language modelling and next-sentence prediction; the loss is the sum of both."""

    def loss(self, batch: Tensors) -> torch.Tensor:
        """Each of the two is a mean of its own: over masked tokens, and over pairs."""
        return self._both(batch)[0]

    def _both(self, batch: Tensors) -> tuple[torch.Tensor, Any]:
        inputs, predicted, rows = _weighted(batch)
        words, output = self._words(inputs, "next_sentence_label")
        follows = cross_entropy(output.seq_relationship_logits, inputs["next_sentence_label"])
        return words * predicted + follows * rows, output

    def _looked_at(self, inputs: Tensors) -> torch.Tensor | None:
        """The first token of each pair is pooled."""
        looked_at = inputs["labels"] != -100
        looked_at[:, 0] = True
        return looked_at.flatten().nonzero()[:, 0]

    def figures(self, batch: Tensors) -> Tensors:
        """How often the second piece is told right, too: 0.5 is chance."""
        loss, output = self._both(batch)
        right = output.seq_relationship_logits.argmax(-1) == batch["next_sentence_label"]
        return {"loss": loss, "next_sentence_accuracy": right.float().mean()}


def module_of(objective: Objective) -> type[LanguageModel]:
    """The module that trains for an objective."""
    masked: dict[Objective, type[LanguageModel]] = {
        "masked_lm": MaskedLanguageModel,
        "masked_lm_nsp": NextSentenceModel,
    }
    return masked.get(objective, LanguageModel)


def _weighted(batch: Tensors) -> tuple[Tensors, torch.Tensor | float, torch.Tensor | float]:
    """What the model takes, and the factors of a part; those of a whole batch are one."""
    if FACTORS not in batch:
        return dict(batch), 1.0, 1.0
    predicted, rows = batch[FACTORS]
    return {name: tensor for name, tensor in batch.items() if name != FACTORS}, predicted, rows


def _predicted(batch: Tensors) -> int:
    return int((batch["labels"] != -100).sum())


def tensors(batch: Batch) -> Tensors:
    """Arrays as tensors."""
    return {name: torch.from_numpy(array) for name, array in batch.items()}
