"""How fast a training was, and how near that is to what the machine can do."""

import resource
import time
from typing import Any

import torch
from lightning_fabric.utilities.apply_func import move_data_to_device
from torch.utils.flop_counter import FlopCounterMode

from modelmill.specs.training import Precision
from modelmill.training.module import TrainedModule
from modelmill.training.ranks_module import gathered, summed

SIZE, ROUNDS = 1024, 8
"""Of the matrices whose product is timed; on a GPU they are eight times as large."""


def speed(module: TrainedModule, device: torch.device, seconds: float, precision: Precision) -> dict[str, Any]:
    """Tokens, examples, tokens a second, FLOP/s, their share of the measured peak, peak memory in MiB.

    Of all ranks, which must all call it; memory is that of the one that takes most.

    FLOP are those of the matrix products of one batch, forward and backward, by torch's own counter, which leaves
    attention out on a CPU and, here, an adversary's pass.
    """
    memory = peak_memory_mb(device)
    split = module.split
    if not module.whole:
        module.to(device)  # Lightning has taken it off
    make, _ = module.epoch_batches(0)
    batch = move_data_to_device(module.part(make(0), split.rank, split.ranks), device)
    with FlopCounterMode(display=False) as counter:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = module.loss(batch)
        torch.autograd.backward(loss)
    module.zero_grad(set_to_none=True)
    if not module.whole:
        module.cpu()
    of_batch, in_batch = summed([counter.get_total_flops(), module.sizes(batch)[0]])
    tokens, examples = summed(module.read)
    flops = of_batch / in_batch * tokens / seconds
    (peak,) = summed([peak_flops(device, precision)])  # ranks compute at the same time, as in training
    return {
        "tokens": tokens,
        "examples": examples,
        "tokens_per_second": round(tokens / seconds),
        "examples_per_second": round(examples / seconds, 1),
        "tera_flops": round(flops / 1e12, 4),
        "peak_tera_flops": round(peak / 1e12, 4),
        "share_of_peak": round(flops / peak, 4),
        "peak_memory_mb": max(gathered(memory)),
    }


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


def peak_memory_mb(device: torch.device) -> int:
    """Largest memory so far: of the GPU where there is one, else of the process (Linux counts it in KiB)."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device) >> 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
