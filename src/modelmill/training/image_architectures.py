"""Models for images with random weights, by a config of transformers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from modelmill.specs.backbone import ImageArchitecture, ResNetSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


@dataclass(frozen=True)
class UntrainedBackbone:
    """A model that has seen nothing, to be saved as a folder."""

    spec: ImageArchitecture

    def save(self, folder: Path) -> None:
        """Write safetensors, `config.json` and `backbone.json`."""
        import torch
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        with torch.random.fork_rng():
            torch.manual_seed(self.spec.seed)
            AutoModel.from_config(_config(self.spec)).save_pretrained(folder)
        info = {"architecture": self.spec.model_dump(mode="json")}
        (folder / "backbone.json").write_text(json.dumps(info, indent=2), encoding="utf-8")


def untrained_backbone(architecture: dict[str, Any]) -> UntrainedBackbone:
    """A backbone from a random start; `architecture` is an `ImageArchitecture` as it is declared."""
    return UntrainedBackbone(TypeAdapter(ImageArchitecture).validate_python(architecture))


def _config(spec: ImageArchitecture) -> "PreTrainedConfig":
    from transformers import ResNetConfig, ViTConfig

    if isinstance(spec, ResNetSpec):
        return ResNetConfig(
            num_channels=spec.channels,
            embedding_size=spec.stem,
            hidden_sizes=spec.widths,
            depths=spec.depths,
            layer_type=spec.block,
        )
    return ViTConfig(
        num_channels=spec.channels,
        image_size=spec.side,
        patch_size=spec.patch,
        num_hidden_layers=spec.layers,
        hidden_size=spec.hidden,
        num_attention_heads=spec.heads,
        intermediate_size=spec.intermediate,
    )
