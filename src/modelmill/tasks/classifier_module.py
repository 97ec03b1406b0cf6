"""Fine-tuning of a sequence classifier as a Lightning module."""

from typing import Any

import torch
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassF1Score

from modelmill.specs.training import FineTuningSpec
from modelmill.tokenization.tokens import Tokens
from modelmill.training.batches import Rows, mixed_batches, padded
from modelmill.training.module import TrainedModule

Batch = list[list[torch.Tensor]]
"""Buckets; each is ids and attention mask, both (records, longest), and labels (records,)."""


class Classifier(TrainedModule):
    """A transformers sequence classifier, trained on batches of a token budget."""

    def __init__(self, model: Any, train: Tokens, spec: FineTuningSpec, seed: int) -> None:
        steps = len(mixed_batches(train.lengths, spec.batch_tokens, (seed, 0)))  # an epoch has about as many
        super().__init__(model, spec, spec.max_epochs * steps, decay=1 - spec.warmup)
        self.train_tokens = train
        self.spec = spec
        self.seed = seed
        self.pad = model.config.pad_token_id or 0
        self.f1 = MulticlassF1Score(model.config.num_labels, average="macro")

    def train_dataloader(self) -> DataLoader[Any]:
        """The batches of the current epoch, in an order that follows from seed and epoch."""
        batches = mixed_batches(self.train_tokens.lengths, self.spec.batch_tokens, (self.seed, self.current_epoch))
        return loader(self.train_tokens, batches, self.pad)

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (records, classes) and labels (records,) of all buckets of a batch."""
        logits = [self.model(input_ids=ids, attention_mask=mask).logits.float() for ids, mask, _ in batch]
        return torch.cat(logits), torch.cat([labels for _, _, labels in batch])

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """Cross-entropy, each record weighing the same."""
        logits, labels = self._forward(batch)
        loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=self.spec.label_smoothing)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(labels))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Loss and macro-F1 on the validation split."""
        logits, labels = self._forward(batch)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        self.f1.update(logits, labels)
        self.log("validation_loss", loss, batch_size=len(labels))
        self.log("validation_macro_f1", self.f1, prog_bar=True, batch_size=len(labels))


def loader(tokens: Tokens, batches: list[list[Rows]], pad: int) -> DataLoader[Any]:
    """Batches of row numbers as batches of tensors."""

    def tensors(rows: Rows) -> list[torch.Tensor]:
        ids, mask = padded(tokens, rows, pad)
        return [torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(tokens.labels[rows])]

    def collate(batch: list[Rows]) -> Batch:
        return [tensors(rows) for rows in batch]

    dataset: Any = batches
    return DataLoader(dataset, batch_size=None, collate_fn=collate, shuffle=False)
