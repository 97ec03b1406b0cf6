"""A training that runs out of memory goes on, from its last state, in smaller pieces."""

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from modelmill.errors import UserError
from modelmill.files import written_aside
from modelmill.specs.training import MicroBatches, Precision
from modelmill.training.memory_module import LESS, fewest_pieces, ran_out
from modelmill.training.module import TrainedModule
from modelmill.training.processor_module import give_memory_back
from modelmill.training.ranks_module import all_gather
from modelmill.training.work import START, STATE

T = TypeVar("T")

PROGRESS = "epoch_loop.batch_progress"
"""Where a state has the counts of pieces."""


@dataclass(frozen=True)
class Begun:
    """What a state has settled: a training that goes on depends on it, whatever is free or fast by then."""

    micro: int
    precision: Precision
    step: int


def read_begun(state: Path) -> Begun:
    """What a state on disk says."""
    found = torch.load(state, weights_only=True, mmap=True)
    return Begun(found["micro"], found["precision"], found["global_step"])


def first_pieces(module: TrainedModule, declared: MicroBatches, precision: Precision) -> int:
    """How many pieces to a batch a training begins with, on all ranks.

    Raises:
        UserError: when the memory does not suffice for single rows.
    """
    if declared != "auto":
        return declared
    if module.optimizer_spec.strategy == "fsdp":
        return 1  # to try would take the whole model, which need not fit
    return max(all_gather(fewest_pieces(module, precision)))


def within_memory(
    attempt: Callable[[Path | None], T],
    module: TrainedModule,
    declared: MicroBatches,
    folder: Path,
    state: Path | None,
) -> T:
    """Train, with twice as many pieces to a batch each time the memory runs out, where they are `auto`.

    Args:
        attempt: trains from a state on disk, or from the start.
        module: what it trains; its `micro_batches` change.
        declared: pieces, or `auto`.
        folder: where the states are.
        state: to go on from.

    Raises:
        UserError: when the memory does not suffice, for the declared pieces or for single rows.
    """
    random = torch.get_rng_state(), torch.cuda.get_rng_state_all()
    if not state and declared == "auto" and module.world.size == 1:
        with written_aside(folder / START) as part:
            torch.save(_trained(module), part)
    while True:
        try:
            return attempt(state)
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            micro = _smaller(module, declared, error)
        # By now the error is gone, and with it what its frames held: activations.
        module.trainer = None
        module.zero_grad(set_to_none=True)
        gc.collect()
        torch.cuda.empty_cache()
        give_memory_back()
        state = _state_in(folder, micro)
        logging.getLogger(__name__).warning(
            "memory ran out: from now on each batch is computed in %d pieces; going on from %s. What is learned from a "
            "step stays the same.", micro, "the last state" if state else "the start",
        )  # fmt: skip
        module.micro_batches = micro
        if not state:
            _begin_again(module, folder, random)


def _smaller(module: TrainedModule, declared: MicroBatches, error: Exception) -> int:
    """Twice as many pieces, if that helps, is allowed, and leaves rows to each."""
    micro = module.micro_batches
    if not module.training:
        raise UserError(
            "the memory does not suffice for validation. Shorten the rows (`tokenization.max_tokens`, "
            "`training.block_tokens`), or take a smaller backbone."
        ) from error
    if declared != "auto":
        raise UserError(
            f"the memory does not suffice for batches in {micro} pieces (`micro_batches`). Raise it, or use `auto`."
        ) from error
    if module.world.size > 1:  # the others wait for this one: none can go on alone
        raise UserError(
            f"the memory of a process does not suffice for batches in {micro} pieces. Declare `training.micro_batches: "
            f"{2 * micro}`."
        ) from error
    rows = module.sizes(module.largest_batch())[1]
    if micro >= rows:
        raise UserError(f"the memory does not suffice, even for one row of a batch at a time. {LESS}") from error
    return 2 * micro


def _trained(module: TrainedModule) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in module.named_parameters() if weight.requires_grad}


def _begin_again(module: TrainedModule, folder: Path, random: tuple[torch.Tensor, list[torch.Tensor]]) -> None:
    """As if nothing had been done."""
    module.load_state_dict(torch.load(folder / START, weights_only=True), strict=False)
    module.read, module.passed = (0, 0), 0
    torch.set_rng_state(random[0])
    torch.cuda.set_rng_state_all(random[1])


def _state_in(folder: Path, micro: int) -> Path | None:
    """The last state, if there is one, made to be one of so many pieces: it is what a kill goes back to, too."""
    state = folder / STATE
    if not state.is_file():
        return None
    found = recounted(torch.load(state, weights_only=True, mmap=True), micro)
    with written_aside(state) as part:
        torch.save(found, part)
    return state


def recounted(state: dict[str, Any], micro: int) -> dict[str, Any]:
    """The same state, as if its batches had been computed in `micro` pieces: Lightning counts those.

    It counts a piece in four stages, and in a state that was saved right after a step the last of them is still to
    come for one piece, whatever its size.
    """
    epoch = {key: dict(value) if key == PROGRESS else value for key, value in state["loops"]["fit_loop"].items()}
    for span in ("total", "current"):
        counts = epoch[PROGRESS][span]
        batches, rest = divmod(counts["processed"], state["micro"])
        assert not rest, "a state within a batch"
        late = counts["processed"] - counts["completed"]
        epoch[PROGRESS][span] = {name: batches * micro - (late if name == "completed" else 0) for name in counts}
    return {**state, "micro": micro, "loops": {**state["loops"], "fit_loop": epoch}}
