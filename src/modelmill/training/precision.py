"""In which precision a training computes."""

from functools import cache

from modelmill.specs.training import DeclaredPrecision, Precision

WORTH_CASTING = 1.2
"""Faster than fp32 by this, and bf16 pays for the casts to and fro."""


@cache
def resolve_precision(precision: DeclaredPrecision) -> Precision:
    """`auto` is bf16 where the hardware is faster in it. A processor multiplies matrices in both to tell: some that
    have instructions for bf16 take twice as long (docs/log.md).
    """
    if precision != "auto":
        return precision
    import torch

    from modelmill.training.ranks_module import broadcast
    from modelmill.training.speed_module import peak_flops

    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    gain = peak_flops(torch.device("cpu"), "bf16-mixed") / peak_flops(torch.device("cpu"), "32-true")
    return broadcast("bf16-mixed" if gain > WORTH_CASTING else "32-true")
