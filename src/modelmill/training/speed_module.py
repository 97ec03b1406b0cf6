"""How fast a training was, and how near that is to what the machine can do."""

import time
from collections.abc import Callable
from inspect import unwrap
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.apply_func import move_data_to_device
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop, sdpa_flop

from modelmill.specs.training import Precision
from modelmill.training.module import TrainedModule
from modelmill.training.ranks_module import all_reduce

SIZE, ROUNDS = 1024, 8
"""Of the matrices whose product is timed; on a GPU they are eight times as large."""

FEW = 8
"""Rows whose FLOP are counted, or somewhat more."""

ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: unwrap(sdpa_flop),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: unwrap(sdpa_backward_flop),
}
"""FLOP of attention by the shapes of query, key, value: torch has them for a GPU, and not for a CPU."""

RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def speed(module: TrainedModule, device: torch.device, seconds: float, precision: Precision) -> dict[str, Any]:
    """Tokens, examples, tokens a second, FLOP/s, their share of the measured peak.

    Of all ranks, which must all call it. FLOP are those of a few rows, for nothing recovers here from memory that
    runs out; an adversary's pass is left out.
    """
    if not module.unsharded:
        module.to(device)  # Lightning has taken it off
    make, _ = module.pieces(0)
    piece = make(0)
    batch = move_data_to_device(module.part(piece, 0, max(1, module.sizes(piece)[1] // FEW)), device)

    def loss() -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            return module.loss(batch)

    counted = flops_of(loss)
    module.zero_grad(set_to_none=True)
    if not module.unsharded:
        module.cpu()
    of_batch, in_batch = all_reduce([counted, module.sizes(batch)[0]])
    tokens, examples = all_reduce(module.read)
    flops = of_batch / in_batch * tokens / seconds
    (peak,) = all_reduce([peak_flops(device, precision)])  # ranks compute at the same time, as in training
    return {
        "tokens": tokens,
        "examples": examples,
        "tokens_per_second": round(tokens / seconds),
        "examples_per_second": round(examples / seconds, 1),
        "tera_flops": round(flops / 1e12, 4),
        "peak_tera_flops": round(peak / 1e12, 4),
        "share_of_peak": round(flops / peak, 4),
    }


def flops_of(loss: Callable[[], torch.Tensor]) -> int:
    """FLOP of the matrix products, those of attention too, of a loss and its gradients, by torch's own counter."""
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        torch.autograd.backward(loss())
    return int(counter.get_total_flops())


def peak_flops(device: torch.device, precision: Precision) -> float:
    """FLOP/s of the best of a few products of square matrices."""
    size = SIZE * (8 if device.type == "cuda" else 1)
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    generator = torch.Generator(device).manual_seed(0)  # the global one is for what is trained
    one = torch.randn(size, size, device=device, dtype=dtype, generator=generator)
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        product = one @ one
        product[0, 0].item()  # waits for a GPU
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


class PeakMemory:
    """The largest memory since it was made: of the GPU where there is one, else of the process."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._known = device, True
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            return
        try:
            RESET.write_text("5")  # proc(5): the peak becomes what is resident now
        except OSError:  # no Linux, or not allowed; what the process held before may be the peak that it tells
            self._known = False

    def mb(self) -> int | None:
        """In MiB; None where the system tells that of the whole process only."""
        if not self._known:
            return None
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device) >> 20)
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].removesuffix("kB")) >> 10
