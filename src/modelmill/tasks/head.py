"""What a kind of task puts on top of an encoder, and what it learns by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

Problem = Literal["single_label_classification", "multi_label_classification", "regression"]
"""How transformers calls them in a model's config."""


@dataclass(frozen=True)
class Head:
    """`outputs` numbers for each record, and how they are judged.

    `loss` is the mean over records that training descends, of logits (records, outputs) and targets (records, ...);
    `plain_loss` that of the validation split, without weights and smoothing. `score` is updated with the same two, and
    the epoch in which it is highest is kept; `monitor` is its name.
    """

    outputs: int
    problem: Problem
    loss: "Callable[[Tensor, Tensor], Tensor]"
    plain_loss: "Callable[[Tensor, Tensor], Tensor]"
    score: "Metric"
    monitor: str
    labels: tuple[str, ...] = ()
    """Names of the outputs, where they have any."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What else predicting needs to know, for `product.json`."""

    def config(self) -> dict[str, Any]:
        """What a config of transformers says of it."""
        names = {"id2label": dict(enumerate(self.labels)), "label2id": {name: i for i, name in enumerate(self.labels)}}
        return {"num_labels": self.outputs, "problem_type": self.problem, **(names if self.labels else {})}
