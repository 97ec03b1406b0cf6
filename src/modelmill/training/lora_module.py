"""Low-rank adapters by peft."""

from typing import Any

from peft import LoraConfig, LoraModel
from torch import nn

from modelmill.errors import DataError
from modelmill.specs.training import LoraSpec
from modelmill.training.parameters_module import depths, layers_of


def add_adapters(model: Any, spec: LoraSpec) -> LoraModel:
    """Give linear maps of the layers adapters, in place; these and what comes after the layers (pooler, head) are
    trained, all else is frozen. `merge_and_unload()` of what is returned makes the model plain again.

    Raises:
        DataError: when a target names no linear map of the layers.
    """
    prefix, layers = layers_of(model)
    depth = depths(model)
    linear = [name for name, module in layers.named_modules() if isinstance(module, nn.Linear)]
    unknown = [target for target in spec.targets if not any(_is(name, target) for name in linear)]
    if unknown or not linear:
        there = sorted({name.partition(".")[2] for name in linear})
        raise DataError(
            f"`training.lora` finds no linear map {', '.join(unknown)} in the backbone's layers; there are: "
            f"{', '.join(there) or 'none'}. Correct `targets`, or leave it out for all of them."
        )
    targets = [name for name in linear if not spec.targets or any(_is(name, target) for target in spec.targets)]
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,
        lora_dropout=spec.dropout,
        target_modules=[f"{prefix}.{name}" for name in targets],
    )
    adapters = LoraModel(model, config, "default")
    for name, parameter in model.named_parameters():
        if depth.get(name) == len(layers) + 1:
            parameter.requires_grad_(True)
    return adapters


def _is(name: str, target: str) -> bool:
    """Whether a module's name ends in the parts of the target."""
    return f".{name}".endswith(f".{target}")
