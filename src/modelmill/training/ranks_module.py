"""What the processes of a training say to each other, and how Lightning is told of them."""

import os
import signal
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import distributed

from modelmill.errors import UserError
from modelmill.specs.training import OptimizerSpec
from modelmill.training.ranks import World

Value = TypeVar("Value")


def init_process_group() -> None:
    """Join the other ranks: by NCCL where there are GPUs, one for each rank, else by gloo. Lightning takes it as it is.

    Raises:
        UserError: when this machine has fewer GPUs than ranks.
    """
    if not torch.cuda.is_available():
        distributed.init_process_group("gloo")
        return
    local, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= found:
        raise UserError(
            f"`devices: {os.environ['LOCAL_WORLD_SIZE']}`, but this machine has {found} GPU{'s' * (found > 1)}; each "
            f"process takes one. Lower `training.devices` to {found}."
        )
    torch.cuda.set_device(local)
    distributed.init_process_group("nccl", device_id=torch.device("cuda", local))


def all_gather(value: Value) -> list[Value]:
    """What each rank has, on all of them."""
    if not distributed.is_initialized():
        return [value]
    values: list[Value] = [value] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def all_reduce(values: Sequence[float]) -> list[Any]:
    """Sums over the ranks, on all of them."""
    return [sum(column) for column in zip(*all_gather(list(values)), strict=True)]


def broadcast(value: Value) -> Value:
    """What rank 0 has, on all ranks."""
    values = [value]
    if distributed.is_initialized():
        distributed.broadcast_object_list(values, src=0)
    return values[0]


def trainer_options(spec: OptimizerSpec) -> dict[str, Any]:
    """For Lightning's Trainer in this process."""
    size, accelerator = World.here().size, "gpu" if torch.cuda.is_available() else "cpu"
    if size == 1:
        return {"accelerator": accelerator, "devices": 1}
    return {
        "accelerator": accelerator,
        "devices": spec.devices,
        "num_nodes": spec.nodes,
        "strategy": _strategy(spec, size),
        "use_distributed_sampler": False,  # we shard the batches
    }


def _strategy(spec: OptimizerSpec, size: int) -> Any:
    from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy

    if spec.strategy == "fsdp":
        return ModelParallelStrategy(size, tensor_parallel_size=1, save_distributed_checkpoint=False)
    # No buffer of a transformers model changes, and ranks may see different numbers of buckets.
    return DDPStrategy(forward_sync_buffers=False, gradient_as_bucket_view=True)


def die_at_once() -> None:
    """Let a rank end when it is told to. Lightning's handler would first wait for ranks that may be dead."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
