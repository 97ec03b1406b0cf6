"""What all our Lightning modules share: optimiser, schedule, clipping."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, cast

import pytorch_lightning as lightning
import torch
from torch.distributed.tensor import DTensor
from torchmetrics import MeanMetric

from modelmill.specs.training import OptimizerSpec, Schedule
from modelmill.training.parameters_module import parameter_groups, shrink
from modelmill.training.ranks import World
from modelmill.training.ranks_module import all_reduce
from modelmill.training.rows_module import NeededRows
from modelmill.training.schedules_module import new_schedule
from modelmill.training.sharding_module import load_full_state_dict, shard


class Batches:
    """The batches of an epoch, each made when it is its turn, from `start` on.

    Lightning takes their number for that of the whole epoch, and counts those that are passed over by itself.
    """

    def __init__(self, make: Callable[[int], Any], count: int, start: int = 0) -> None:
        self._make, self._count, self._start = make, count, start

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return map(self._make, range(self._start, self._count))

    def shard(self, rank: int, size: int) -> "Batches":
        """Every `size`-th one, and whether it counts: all ranks get as many, for a model that is sharded over them
        answers when all of them ask; what is too much is the first one again, which does not count.
        """

        def own(i: int) -> tuple[Any, bool]:
            counts = i * size + rank < self._count
            return self._make(i * size + rank if counts else 0), counts

        return Batches(own, -(-self._count // size))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: where to start follows from what Lightning counts. Without this it would warn."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `state_dict`."""


class TrainedModule(lightning.LightningModule, ABC):
    """What a kind of training supplies, and what all share: AdamW, its schedule (`schedules_module.new_schedule`),
    clipping, counts of what was read.
    """

    def __init__(
        self, model: Any, spec: OptimizerSpec, total_steps: int, decay: float, schedule: Schedule = "linear"
    ) -> None:
        super().__init__()
        self.model = model
        self.optimizer_spec = spec
        self.total_steps = total_steps
        self.decay = decay
        self.schedule: Schedule = schedule
        self.rows = NeededRows(model)
        self.read: tuple[int, int] = (0, 0)
        """Tokens, padding not counted, and examples so far; in all they are the sums over the ranks."""
        self.micro_batches, self.world = 1, World()
        """Pieces of a batch that are computed one after another, on each rank."""
        self.passed = 0
        """Pieces of the current epoch that an earlier process has trained on."""
        self._figures: dict[str, torch.Tensor] = {}
        """Of the step under way, as far as it is computed."""
        self.unsharded: list[Any] = []
        """The model, while a copy that is sharded over the processes is trained; in a list, for it is no part of this
        module."""
        self.means = torch.nn.ModuleDict()

    @abstractmethod
    def loss(self, batch: Any) -> torch.Tensor:
        """The mean loss of a batch."""

    @abstractmethod
    def losses(self, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What a step descends, and the figures to log: of a piece such that the mean over all pieces of a step is the
        mean over its records.
        """

    @abstractmethod
    def sizes(self, batch: Any) -> tuple[int, int]:
        """Tokens of a batch, padding not counted, and its examples; none of a part that has no rows."""

    def judge(self, name: str, value: torch.Tensor, count: int) -> None:
        """Log a figure of a validation batch; in all it is the mean over what was counted, on all ranks.

        Lightning's own mean would be wrong on several CPUs: it divides counts by the ranks and cuts off the rest.
        """
        if name not in self.means:  # nan stays nan; by "disable" MeanMetric would leave out the counts as well
            self.means[name] = MeanMetric(nan_strategy=math.nan).to(value.device)
        mean = cast(MeanMetric, self.means[name])
        mean.update(value, count)
        self.log(f"validation_{name}", mean, prog_bar=True, batch_size=count, metric_attribute=f"means.{name}")

    @abstractmethod
    def epoch_batches(self, epoch: int) -> tuple[Callable[[int], Any], int]:
        """What makes batch i of an epoch, following from i alone, and how many there are."""

    @abstractmethod
    def largest_batch(self) -> Any:
        """A batch that takes as much memory as any may, with rows of one length."""

    @abstractmethod
    def part(self, batch: Any, part: int, parts: int) -> Any:
        """Every `parts`-th row of a batch from row `part` on, as a batch whose `losses` are weighted: their mean over
        all parts is that of the batch. Where no row is left it has one that counts nothing, but reaches every weight.
        """

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        """Loss of one piece; what is logged is of the whole step, and so once a step.

        The counts are taken here, within the step, for states are saved right after it.
        """
        loss, figures = self.losses(batch)
        tokens, examples = self.sizes(batch)
        self.read = self.read[0] + tokens, self.read[1] + examples
        for name, value in figures.items():
            share = value.detach() / self.trainer.accumulate_grad_batches
            self._figures[name] = self._figures[name] + share if name in self._figures else share
        if not self.trainer.fit_loop._should_accumulate():
            for name, value in self._figures.items():
                self.log(name, value, prog_bar=name == "train_loss", batch_size=max(1, examples))
            self._figures = {}
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The counts go on, too, and the pieces stay what they were: what dropout draws depends on them."""
        checkpoint.update(read=all_reduce(self.read), micro=self.micro_batches, precision=self.trainer.precision)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from there."""
        self.read = tuple(checkpoint["read"]) if self.world.rank == 0 else (0, 0)
        self.passed = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["processed"]

    def pieces(self, epoch: int) -> tuple[Callable[[int], Any], int]:
        """What makes piece j of an epoch, of those that fall to this process, and how many there are."""
        make, count = self.epoch_batches(epoch)
        micro, size, rank = self.micro_batches, self.world.size, self.world.rank
        if micro * size == 1:
            return make, count
        whole = lru_cache(maxsize=1)(make)
        return lambda j: self.part(whole(j // micro), j % micro * size + rank, micro * size), count * micro

    def train_dataloader(self) -> "Batches":
        """The pieces of the current epoch that are left; a step begins with the first of them."""
        self._figures = {}
        make, count = self.pieces(self.current_epoch)
        start, self.passed = self.passed % count, 0
        return Batches(make, count, start)

    def configure_model(self) -> None:
        """Shard the model, where that is declared; `unshard` takes it back."""
        if self.world.size > 1 and self.optimizer_spec.strategy == "fsdp" and not self.unsharded:
            assert self.device_mesh, "Lightning makes one for this strategy"
            self.unsharded.append(self.model)
            self.model = shard(self.model, self.device_mesh["data_parallel"])

    def unshard(self) -> None:
        """The model as it was, with the trained weights on rank 0; all ranks must call it."""
        if self.unsharded:
            load_full_state_dict(self.unsharded[0], self.model)
            self.model = self.unsharded.pop()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All that is trained, at one rate."""
        return parameter_groups(self, self.optimizer_spec, {}, l1=0.0)

    def configure_optimizers(self) -> Any:
        """Matrices are decayed, biases and norms are not."""
        spec = self.optimizer_spec
        optimizer = torch.optim.AdamW(self.parameter_groups(), lr=spec.learning_rate, betas=(0.9, 0.98), fused=True)
        optimizer.register_step_post_hook(shrink)
        schedule = new_schedule(optimizer, self.schedule, self.total_steps, spec.warmup, self.decay)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip here: Lightning refuses to beside a fused optimiser, because of fp16 scaling, which we do not use."""
        most = self.optimizer_spec.gradient_clip
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        if norm + 1e-6 > most:  # else torch would multiply all of them by one
            torch.nn.utils.clip_grads_with_norm_(self.parameters(), most, norm)
