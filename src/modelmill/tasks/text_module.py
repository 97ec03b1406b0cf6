"""Fine-tuning of an encoder of texts with a head, as a Lightning module."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.head import Head
from modelmill.tokenization.tokens import Tokens
from modelmill.training.adversarial_module import adversarial_loss
from modelmill.training.batches import Rows, length_buckets, mixed_batches, padded
from modelmill.training.module import Batches, TrainedModule
from modelmill.training.parameters_module import layer_rates, parameter_groups

Buckets = list[list[torch.Tensor]]
"""Each is ids and attention mask, both (records, longest), and targets (records, ...)."""
Batch = tuple[Buckets, float]
"""Buckets, and a factor on their mean loss: with it, the mean over a step's batches (or parts of them) is the mean over
its records."""


class TextModule(TrainedModule):
    """A transformers encoder with a head, trained on batches of a token budget."""

    def __init__(self, model: Any, train: Tokens, spec: FineTuningSpec, head: Head) -> None:
        batches = len(mixed_batches(train.lengths, spec.batch_tokens, (spec.seed, 0)))  # an epoch has about as many
        total_steps = spec.max_epochs * math.ceil(batches / spec.accumulate)
        super().__init__(model, spec, total_steps, decay=1 - spec.warmup, schedule=spec.schedule)
        self.train_tokens = train
        self.spec = spec
        self.pad = model.config.pad_token_id or 0
        self.head = head
        self.score = head.score

    def epoch_batches(self, epoch: int) -> tuple[Callable[[int], Batch], int]:
        """In an order that follows from seed and epoch."""
        batches = mixed_batches(self.train_tokens.lengths, self.spec.batch_tokens, (self.spec.seed, epoch))
        factors = step_factors(batches, self.spec.accumulate)
        return lambda i: (tensors(self.train_tokens, batches[i], self.pad), factors[i]), len(batches)

    def largest_batch(self) -> Batch:
        """The longest text, as often as the budget allows."""
        lengths = self.train_tokens.lengths
        longest = int(lengths.argmax())
        rows = np.full(max(1, self.spec.batch_tokens // int(lengths[longest])), longest)
        return tensors(self.train_tokens, [rows], self.pad), 1.0

    def part(self, batch: Batch, part: int, parts: int) -> Batch:
        """Some of the records, as padded as they were. A model that is sharded over the ranks is computed when all of
        them do, so all have as many buckets: of some they have a record that has no label, and so no part in anything.
        """
        buckets, factor = batch
        firsts = np.cumsum([0, *(len(labels) for _, _, labels in buckets)])
        found = [
            [tensor[(part - first) % parts :: parts] for tensor in bucket]
            for bucket, first in zip(buckets, firsts[:-1], strict=True)
        ]
        counted = len(_labels(found))
        if not counted:
            found[0] = [tensor[:1] for tensor in buckets[0]]
        if self.optimizer_spec.strategy == "fsdp":
            blanks = [[ids[:1], mask[:1], labels[:0]] for ids, mask, labels in buckets]
            found = [bucket if len(bucket[2]) else blank for bucket, blank in zip(found, blanks, strict=True)]
        return [bucket for bucket in found if len(bucket[0])], factor * parts * counted / int(firsts[-1])

    def validation_batches(self, validation: Tokens, budget: int) -> Batches:
        """Batches of like lengths within a budget of tokens, padding included."""
        buckets = length_buckets(validation.lengths, budget, None)
        return Batches(lambda i: (tensors(validation, [buckets[i]], self.pad), 1.0), len(buckets))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Rates by layer."""
        return parameter_groups(self.model, self.spec, layer_rates(self.model, self.spec.layer_decay), self.spec.l1)

    def _logits(self, buckets: Buckets) -> torch.Tensor:
        """Logits (records, outputs) of all buckets of a batch."""
        return torch.cat([self._logits_of(ids, mask)[: len(labels)] for ids, mask, labels in buckets])

    def _logits_of(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.rows.first_token_only:
            self.rows.index = torch.arange(0, ids.numel(), ids.shape[1], device=ids.device)
        logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask).logits
        return logits.float()

    def _loss(self, buckets: Buckets) -> torch.Tensor:
        """That of the head, in the mean over the records."""
        return self.head.loss(self._logits(buckets), _labels(buckets))

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss, without that of an adversary."""
        return self._loss(batch[0])

    def sizes(self, batch: Batch) -> tuple[int, int]:
        """Tokens and records."""
        if not batch[1]:
            return 0, 0
        return sum(int(mask[: len(labels)].sum()) for _, mask, labels in batch[0]), len(_labels(batch[0]))

    def losses(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss, with that of the adversary where one is declared, and each of them."""
        buckets, factor = batch
        if not self.spec.adversarial:
            total = self._loss(buckets) * factor
            return total, {"train_loss": total}
        masks, embeddings = [mask for _, mask, _ in buckets], self.model.get_input_embeddings()
        loss, harder = adversarial_loss(lambda: self._loss(buckets), embeddings, masks, self.spec.adversarial.epsilon)
        return (loss + harder) * factor, {"train_loss": loss * factor, "adversarial_loss": harder * factor}

    def validation_step(self, counted: tuple[Batch, bool], _: int) -> None:
        """The head's plain loss and its score on the validation split."""
        batch, counts = counted
        buckets = batch[0]
        logits, labels = self._logits(buckets), _labels(buckets)
        count = len(labels) * counts
        self.judge("loss", self.head.plain_loss(logits, labels), count)
        if counts:
            self.score.update(logits, labels)
        self.log(f"validation_{self.head.monitor}", self.score, prog_bar=True, batch_size=count)


def _labels(buckets: Buckets) -> torch.Tensor:
    """Targets (records, ...) of all buckets of a batch."""
    return torch.cat([labels for _, _, labels in buckets])


def tensors(tokens: Tokens, buckets: list[Rows], pad: int) -> Buckets:
    """Rows of tokens as rectangles."""
    arrays = ((*padded(tokens, rows, pad), tokens.labels[rows]) for rows in buckets)
    return [[torch.from_numpy(array) for array in bucket] for bucket in arrays]


def step_factors(batches: list[list[Rows]], accumulate: int) -> list[float]:
    """Factor of each batch: its records over those of its step, times `accumulate`, by which the step divides; the last
    step of an epoch may have fewer batches, and divides by the same.
    """
    records = [sum(map(len, batch)) for batch in batches]
    steps = [records[start : start + accumulate] for start in range(0, len(records), accumulate)]
    return [accumulate * count / sum(step) for step in steps for count in step]
