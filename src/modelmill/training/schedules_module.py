"""How the learning rate goes with the steps."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from transformers import get_wsd_schedule

from modelmill.specs.training import Schedule


def new_schedule(optimizer: Optimizer, kind: Schedule, total_steps: int, warmup: float, decay: float) -> LRScheduler:
    """A schedule of factors on each group's rate.

    Args:
        optimizer: whose rates to set.
        kind: `linear` and `cosine` rise linearly to 1, stay, and fall to 0; `one_cycle` rises from 1/25 to 1 and falls
            to 4e-6 by cosines, while AdamW's first beta falls from 0.95 to 0.85 and rises again (Smith & Topin 2018,
            arXiv:1708.07120).
        total_steps: after which the rate stays at its lowest.
        warmup: share of the steps in which the rate rises.
        decay: share of the steps, at the end, in which it falls; `one_cycle` falls as soon as it has risen.
    """
    rise = round(warmup * total_steps)
    if kind == "one_cycle":
        return _OneCycle(optimizer, rise, total_steps)
    schedule: LRScheduler = get_wsd_schedule(
        optimizer,
        num_warmup_steps=rise,
        num_decay_steps=round(decay * total_steps),
        num_training_steps=total_steps,
        decay_type=kind,
    )
    return schedule


class _OneCycle(OneCycleLR):
    """Stays at its end, where torch's own raises: an epoch may have a batch more than the first one had."""

    def __init__(self, optimizer: Optimizer, rise: int, total_steps: int) -> None:
        steps = max(total_steps, 2)
        rise = min(max(rise, 1), steps - 1)  # with a first phase of no step torch divides by zero
        rates = [group["lr"] for group in optimizer.param_groups]
        super().__init__(optimizer, rates, total_steps=steps, pct_start=(rise + 1) / steps)

    def step(self, epoch: int | None = None) -> None:
        if self.last_epoch < self.total_steps - 1:
            super().step(epoch)
