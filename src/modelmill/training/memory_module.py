"""How many pieces a batch must be computed in to fit into memory, found by trying before the training."""

import mmap
import weakref
from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric.utilities.apply_func import move_data_to_device
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from modelmill.errors import UserError
from modelmill.specs.training import Precision
from modelmill.training.free_memory import free_memory
from modelmill.training.module import TrainedModule

SHARE = 0.4
"""Of the memory that is free on a CPU, where the kernel ends whoever takes too much. glibc's heap may hold 2.3
times what the tensors do: blocks that come and go leave gaps (`pytest -m slow -s tests/training/test_memory.py`)."""

SAMPLE = 4
"""Rows that are really computed on a CPU, beside a single one."""

LESS = (
    "Shorten the rows (`tokenization.max_tokens`, `training.block_tokens`), train less of the model (`training.lora`, "
    "`training.freeze`), set `training.gradient_checkpointing`, or take a smaller backbone."
)


SAID = ("can't allocate memory", "std::bad_alloc")
"""How torch says on a CPU that memory ran out."""

UNCLEAR = ("could not create a primitive", "could not create a memory object")
"""What oneDNN says then, and also of what it cannot compute or compile: its status is not in its message."""

LITTLE = 64 << 20
"""Bytes. When not even these are to be had, memory ran out."""


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch has a class for accelerators only."""
    said = str(error)
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in said for words in SAID)
    return known or (said in UNCLEAR and not _more_can_be_had())


def _more_can_be_had() -> bool:
    try:
        mmap.mmap(-1, LITTLE).close()
    except OSError:
        return False
    return True


def fewest_pieces(module: TrainedModule, precision: Precision) -> int:
    """The least of 1, 2, 4, ... pieces in which the largest batch fits, beside gradients and AdamW's moments.

    On a GPU by trying; on a CPU, where trying would end in a kill, by what a few rows take. It leaves no trace: no
    gradients, the same random numbers.

    Raises:
        UserError: when single rows do not fit.
    """
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    module.to(device)
    batch = move_data_to_device(module.largest_batch(), device)
    try:
        with torch.random.fork_rng([torch.cuda.current_device()] if cuda else []):
            if cuda:
                return pieces_by_trying(module, batch, precision)
            free = free_memory() // module.optimizer_spec.devices  # each process of this machine does the same
            return pieces_by_sample(module, batch, precision, free)
    finally:
        module.cpu()
        module.rows.index = module.rows.asked = None
        if cuda:
            torch.cuda.empty_cache()


def pieces_by_trying(module: TrainedModule, batch: Any, precision: Precision) -> int:
    """Compute the first piece of a batch, in smaller and smaller ones, until it does not run out of memory."""
    rows = _rows(module, batch)
    for micro in _numbers(rows, module.world.size):
        if _fits(module, module.part(batch, 0, micro * module.world.size), precision):
            return micro
    raise UserError(f"the memory of the GPU does not suffice for one row of a batch at a time. {LESS}")


def _fits(module: TrainedModule, piece: Any, precision: Precision) -> bool:
    """Whether a step works out; its second pass runs beside the gradients of the first."""
    moments: list[torch.Tensor] = []
    try:
        moments += [torch.empty_like(p) for p in module.parameters() if p.requires_grad for _ in range(2)]
        for _ in range(2):
            _pass(module, piece, precision)
    except RuntimeError as error:
        if not ran_out(error):
            raise
        return False
    finally:
        module.zero_grad(set_to_none=True)
    return True


def pieces_by_sample(module: TrainedModule, batch: Any, precision: Precision, free: int) -> int:
    """As many pieces of a batch as keep to a share of the free bytes, by what one row and a few rows take."""
    rows = _rows(module, batch)
    need = bytes_needed(module, batch, precision)
    size = module.world.size
    for micro in _numbers(rows, size):
        if need(-(-rows // (micro * size))) <= SHARE * free:
            return micro
    raise UserError(
        f"the memory does not suffice: a step with one row at a time needs about {need(1) >> 20} MiB beside the "
        f"weights, {free >> 20} MiB are free, of which {SHARE:.0%} are used. {LESS}"
    )


def bytes_needed(module: TrainedModule, batch: Any, precision: Precision) -> Callable[[int], int]:
    """What a step with so many rows in a piece takes beside the weights: gradients, two moments, activations.

    Activations grow linearly with the rows, for all rows of the batch have one length.
    """
    trained = sum(p.nbytes for p in module.parameters() if p.requires_grad)
    rows = _rows(module, batch)
    one = module.part(batch, 0, rows)
    few = module.part(batch, 0, -(-rows // SAMPLE))
    first, more = (peak_bytes(module, piece, precision) for piece in (one, few))
    beyond = _rows(module, few) - 1
    each = (more - first) / beyond if beyond else first
    return lambda count: int(3 * trained + first + (count - 1) * each)


def peak_bytes(module: TrainedModule, piece: Any, precision: Precision) -> int:
    """The most that a forward and a backward pass hold at once, gradients of weights counted only while they are made.

    With few rows they would hide what grows with the rows. That of the word embeddings is not made at all.
    """
    words = module.model.get_input_embeddings()
    hooks = [
        weight.register_post_accumulate_grad_hook(_drop)  # type: ignore[no-untyped-call]
        for weight in module.parameters()
        if weight.requires_grad
    ]
    if words.weight.requires_grad:
        hooks.append(words.register_forward_hook(lambda _, __, output: output.detach().requires_grad_()))
    held = Held([*module.parameters(), *module.buffers(), *filter(torch.is_tensor, tree_leaves(piece))])
    try:
        with held:
            _pass(module, piece, precision)
    finally:
        for hook in hooks:
            hook.remove()
    return held.most


def _drop(weight: torch.Tensor) -> None:
    weight.grad = None


class Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that operations make while they are there; `most` is the most at once."""

    def __init__(self, known: list[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.most = 0, 0
        self._there = {tensor.untyped_storage().data_ptr() for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if torch.is_tensor(tensor):
                self._take(tensor.untyped_storage())
        self.most = max(self.most, self.now)
        return result

    def _take(self, storage: torch.UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place not in self._there:
            self._there.add(place)
            self.now += size
            weakref.finalize(storage, self._give, place, size)

    def _give(self, place: int, size: int) -> None:
        self._there.discard(place)
        self.now -= size


def _pass(module: TrainedModule, piece: Any, precision: Precision) -> None:
    with torch.autocast(module.device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
        loss, _ = module.losses(piece)
    torch.autograd.backward(loss)


def _rows(module: TrainedModule, batch: Any) -> int:
    return module.sizes(batch)[1]


def _numbers(rows: int, size: int) -> list[int]:
    """1, 2, 4, ... up to pieces of single rows."""
    most = -(-rows // size)
    return [1 << i for i in range((most - 1).bit_length() + 1)]
