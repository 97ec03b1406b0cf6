"""What the figures of a training depend on besides code, data and seed."""

import platform
from typing import Any

import torch


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Device, threads, instruction set and releases: where all of them are the same, so is every bit of a model."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
