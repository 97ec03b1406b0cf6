"""Fine-tuning of a masked language model over items: [MASK] behind the history becomes the next item."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy, dropout
from torchmetrics import Metric

from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.head import Head
from modelmill.tasks.ranking import TOP
from modelmill.tasks.text_module import TextModule
from modelmill.tokenization.tokens import Tokens

UNKNOWN = -1
"""The target of a record whose item training does not know: never found, and no part of a loss."""

NEVER = -1e4
"""The logit of an item that may not be recommended; finite, so that the loss of one that came all the same is."""


class NextItemModule(TextModule):
    """A transformers model for masked language modelling, trained to fill the last place.

    Args:
        items: token ids of what can be recommended, in the order of the head's outputs.
        mask: id of [MASK].
        repeat: whether items of the history can be recommended, in validation.
    """

    def __init__(
        self, model: Any, train: Tokens, spec: FineTuningSpec, head: Head, asked: tuple[list[int], int, bool]
    ) -> None:
        super().__init__(model, train, spec, head)
        items, self.mask, self.repeat = asked
        self.register_buffer("items", torch.tensor(items), persistent=False)
        model.get_output_embeddings().register_forward_pre_hook(self._drop)

    def _drop(self, _: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (dropout(args[0], self.spec.dropout, self.training), *args[1:])

    def _logits_of(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        at = (ids == self.mask).flatten().nonzero()[:, 0]
        self.rows.index = self.rows.asked = at
        logits = self.model(input_ids=ids, attention_mask=mask).logits
        if logits.ndim == 3:  # a head that does not leave out
            logits = logits.flatten(0, 1)[at]
        logits = logits.float()
        if not self.training and not self.repeat:
            logits = logits.scatter(1, ids, NEVER)
        found: torch.Tensor = logits[:, self.items]
        return found


class Ndcg(Metric):
    """Mean NDCG@10 of one true item each."""

    total: torch.Tensor
    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Logits (records, items) and true items, or `UNKNOWN`."""
        own = logits.gather(1, labels.clamp(min=0)[:, None])
        ranks = (logits > own).sum(1) + 1
        found = (ranks <= TOP) & (labels != UNKNOWN)
        self.total += (found / torch.log2(ranks + 1.0)).sum()
        self.count += len(labels)

    def compute(self) -> torch.Tensor:
        """The mean."""
        return (self.total / self.count.clamp(min=1)).float()


def item_head(items: int, smoothing: float) -> Head:
    """A logit for each item, and cross-entropy over all of them."""

    def loss(logits: torch.Tensor, labels: torch.Tensor, smooth: float = smoothing) -> torch.Tensor:
        total = cross_entropy(logits, labels, ignore_index=UNKNOWN, label_smoothing=smooth, reduction="sum")
        return total / (labels != UNKNOWN).sum().clamp(min=1)

    def plain_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return loss(logits, labels, 0.0)

    return Head(items, "single_label_classification", loss, plain_loss, Ndcg(), "ndcg_10")
