"""Fine-tuning of a sequence classifier as a Lightning module."""

from typing import Any

import torch
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassF1Score

from modelmill.specs.training import FineTuningSpec
from modelmill.tokenization.tokens import Tokens
from modelmill.training.batches import Rows, length_buckets, padded
from modelmill.training.module import TrainedModule


class Classifier(TrainedModule):
    """A transformers sequence classifier, trained on batches of a token budget."""

    def __init__(self, model: Any, train: Tokens, spec: FineTuningSpec, seed: int) -> None:
        steps = len(length_buckets(train.lengths, spec.batch_tokens, (seed, 0)))  # an epoch has about as many
        super().__init__(model, spec, spec.max_epochs * steps, decay=1 - spec.warmup)
        self.train_tokens = train
        self.spec = spec
        self.seed = seed
        self.pad = model.config.pad_token_id or 0
        self.f1 = MulticlassF1Score(model.config.num_labels, average="macro")

    def _buckets(self, epoch: int) -> list[Rows]:
        return length_buckets(self.train_tokens.lengths, self.spec.batch_tokens, (self.seed, epoch))

    def train_dataloader(self) -> DataLoader[Any]:
        """The batches of the current epoch, in an order that follows from seed and epoch."""
        return loader(self.train_tokens, self._buckets(self.current_epoch), self.pad)

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Cross-entropy of one batch."""
        ids, mask, labels = batch
        logits = self.model(input_ids=ids, attention_mask=mask).logits.float()  # (batch, classes)
        loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=self.spec.label_smoothing)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(ids))
        return loss

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        """Loss and macro-F1 on the validation split."""
        ids, mask, labels = batch
        logits = self.model(input_ids=ids, attention_mask=mask).logits.float()
        loss = torch.nn.functional.cross_entropy(logits, labels)
        self.f1.update(logits, labels)
        self.log("validation_loss", loss, batch_size=len(ids))
        self.log("validation_macro_f1", self.f1, prog_bar=True, batch_size=len(ids))


def loader(tokens: Tokens, buckets: list[Rows], pad: int) -> DataLoader[Any]:
    """(ids, attention mask, labels) of each bucket."""

    def collate(rows: Any) -> list[torch.Tensor]:
        ids, mask = padded(tokens, rows, pad)
        return [torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(tokens.labels[rows])]

    batches: Any = buckets
    return DataLoader(batches, batch_size=None, collate_fn=collate, shuffle=False)
