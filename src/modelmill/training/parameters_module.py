"""Which parameters are trained, at which rate, and what pulls them towards zero."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from modelmill.errors import DataError
from modelmill.specs.training import FreezeSpec, OptimizerSpec


def layers_of(model: Any) -> tuple[str, nn.ModuleList]:
    """Name and layers of a transformers model's encoder: its longest list of modules that is not inside another.

    Raises:
        DataError: when there is none, or two are of that length.
    """
    lists = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and name.startswith(f"{model.base_model_prefix}.")
    }
    outer = {name: found for name, found in lists.items() if not any(name.startswith(f"{other}.") for other in lists)}
    longest = max(map(len, outer.values()), default=0)
    names = [name for name, found in outer.items() if len(found) == longest]
    if len(names) != 1:
        raise DataError(
            f"cannot tell the layers of the backbone ({type(model).__name__}): {' and '.join(names) or 'no list'} "
            "could be them. `freeze`, `layer_decay`, `lora` and `fsdp` need one stack of layers; leave them out."
        )
    return names[0], outer[names[0]]


def depths(model: Any) -> dict[str, int]:
    """How far from the input each parameter is: 0 before the layers (embeddings), 1 to L in them, L + 1 after them
    (pooler, head). Before and after are told by the order in which the model lists its parameters.

    Raises:
        DataError: as `layers_of`.
    """
    prefix, layers = layers_of(model)
    found: dict[str, int] = {}
    outside = 0
    for name, _ in model.named_parameters():
        if name.startswith(f"{prefix}."):
            found[name] = int(name[len(prefix) + 1 :].partition(".")[0]) + 1
            outside = len(layers) + 1
        else:
            found[name] = outside if name.startswith(f"{model.base_model_prefix}.") else len(layers) + 1
    return found


def freeze(model: Any, spec: FreezeSpec) -> None:
    """Take the gradient from embeddings and lowest layers.

    Raises:
        DataError: when more layers are declared than there are, or as `layers_of`.
    """
    if spec == FreezeSpec():
        return
    layers = len(layers_of(model)[1])
    lowest = layers if spec.layers == "all" else spec.layers
    if lowest > layers:
        raise DataError(
            f"`training.freeze.layers` is {lowest}, but the backbone has {layers} layers; lower it, or say `all`."
        )
    frozen = {*([0] if spec.embeddings else []), *range(1, lowest + 1)}
    depth = depths(model)
    for name, parameter in model.named_parameters():
        if depth[name] in frozen:
            parameter.requires_grad_(False)


def layer_rates(model: Any, decay: float) -> dict[str, float]:
    """Factor on the rate of each parameter: 1 after the layers, `decay` in the top one, and so on down to the
    embeddings (Howard & Ruder 2018, arXiv:1801.06146, discriminative fine-tuning). Empty when nothing decays.
    """
    if decay == 1:
        return {}
    depth = depths(model)
    top = max(depth.values())
    return {name: decay ** (top - found) for name, found in depth.items()}


def parameter_groups(
    model: nn.Module, spec: OptimizerSpec, rates: Mapping[str, float], l1: float
) -> list[dict[str, Any]]:
    """Groups for AdamW: what is trained, by its rate; matrices are decayed, biases and norms are not.

    Args:
        model: whose parameters to train.
        spec: rate and decay.
        rates: factor on the rate by name; 1 where nothing is said.
        l1: for `shrink`, of what is decayed.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((rates.get(name, 1.0), parameter.ndim >= 2), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": spec.learning_rate * rate,
            "weight_decay": spec.weight_decay if matrix else 0.0,
            "l1": l1 if matrix else 0.0,
        }
        for (rate, matrix), parameters in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]


@torch.no_grad()
def shrink(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """After a step, move weights by rate x `l1` towards zero and not across.

    The proximal step of an L1 penalty, decoupled from the gradient as AdamW decouples L2 (Loshchilov & Hutter 2019,
    arXiv:1711.05101): within the gradient, Adam would scale it up to a full step wherever the loss says little.
    """
    for group in optimizer.param_groups:
        if group["l1"]:
            for parameter in group["params"]:
                parameter.copy_(nn.functional.softshrink(parameter, group["lr"] * group["l1"]))
