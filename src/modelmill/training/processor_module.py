"""What makes training faster on processors, with the same arithmetic: cheap random numbers for dropout, attention that
uses them, and memory that is kept between steps. docs/log.md has the figures.
"""

import ctypes
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "modelmill_processor"
MMAP_MAX, MMAPS, TRIM_THRESHOLD, TRIM = -4, 65536, -1, 128 * 1024
"""Numbers of glibc's `mallopt`, and what they are set to by default (mallopt(3))."""


LIBRARY = ctypes.CDLL(None)
"""The C library; only glibc has `mallopt`."""


@contextmanager
def fast_on_processors(model: PreTrainedModel) -> Iterator[None]:
    """Within, a transformers model trains faster where there is no GPU. Dropout draws other numbers than torch's does,
    from the same generator.
    """
    if torch.cuda.is_available():
        yield
        return
    dropouts = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    attention = model.config._attn_implementation
    for module in dropouts:
        vars(module)["forward"] = partial(_dropout, module)
    if attention == "sdpa":
        model.set_attn_implementation(ATTENTION)
    try:
        with _kept_memory():
            yield
    finally:
        for module in dropouts:
            del vars(module)["forward"]
        model.set_attn_implementation(attention)


@contextmanager
def _kept_memory() -> Iterator[None]:
    """Within, glibc keeps what is freed; else each large tensor is mapped anew, page by page: 5 to 15% of a step. Not
    where addresses are limited (`ulimit -v`): what is kept has gaps, and they count.
    """
    if hasattr(LIBRARY, "mallopt") and resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        LIBRARY.mallopt(MMAP_MAX, 0)
        LIBRARY.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        give_memory_back()


def give_memory_back() -> None:
    """Keep no more, and give back what is free."""
    if hasattr(LIBRARY, "mallopt"):
        LIBRARY.mallopt(MMAP_MAX, MMAPS)
        LIBRARY.mallopt(TRIM_THRESHOLD, TRIM)
        LIBRARY.malloc_trim(0)


def noise(shape: torch.Size, rate: float, dtype: torch.dtype) -> torch.Tensor:
    """What dropout multiplies by: 0 at `rate`, to 1/65536, and elsewhere what keeps the mean.

    Four numbers of 16 bits from each of torch's 64: a tenth of the time of its `bernoulli_`, which runs on one core.
    """
    count = math.prod(shape)
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[:count].view(shape)
    dropped = round(rate * 2**16)
    return bits.float().ge_(dropped - 2**15).mul_(2**16 / max(1, 2**16 - dropped)).to(dtype)


def _dropout(module: nn.Dropout, values: torch.Tensor) -> torch.Tensor:
    if not module.training or module.p == 0:
        return values
    return values * noise(values.shape, module.p, values.dtype)


class _Attention(torch.autograd.Function):
    """Scaled dot-product attention with dropout: torch has a kernel for processors only without dropout."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> torch.Tensor:
        query, key, value, mask, rate, scale = args
        ctx.scale, ctx.form = scale, query.shape
        flat = (query.shape[0] * query.shape[1], *query.shape[2:])
        query, key, value = (query * scale).reshape(flat), key.reshape(flat), value.reshape(flat)
        scores = torch.bmm(query, key.transpose(1, 2))
        if mask is not None:
            scores.view(*ctx.form[:3], -1).masked_fill_(mask.logical_not(), torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
        kept = noise(weights.shape, rate, weights.dtype)
        ctx.save_for_backward(query, key, value, weights, kept)
        return torch.bmm(weights * kept, value).view(ctx.form)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        query, key, value, weights, kept = ctx.saved_tensors
        gradient = gradients[0].reshape(query.shape)
        of_value = torch.bmm((weights * kept).transpose(1, 2), gradient)
        of_weights = torch.bmm(gradient, value.transpose(1, 2)).mul_(kept)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_query, of_key = torch.bmm(of_scores, key).mul_(ctx.scale), torch.bmm(of_scores.transpose(1, 2), query)
        return *(found.view(ctx.form) for found in (of_query, of_key, of_value)), None, None, None


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers wants it: heads before tokens in, (batch, heads, tokens, width), tokens before heads out."""
    whole = attention_mask is None and not getattr(module, "is_causal", False)
    plain = key.shape == query.shape and (whole or (attention_mask is not None and attention_mask.dtype == torch.bool))
    if not options["dropout"] or not plain:
        found, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return found, None
    scale = options["scaling"] or query.shape[-1] ** -0.5
    with torch.autocast("cpu", enabled=False):
        # Rotary positions leave query and key in fp32, which autocast would mend.
        states = query.to(value.dtype), key.to(value.dtype), value
        found = _Attention.apply(*states, attention_mask, options["dropout"], scale)  # type: ignore[no-untyped-call]
    return found.transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
