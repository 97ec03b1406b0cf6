"""A model sharded over the processes (FSDP2, `fully_shard` of torch): each holds a part of weights and optimiser."""

import copy
from typing import Any

from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard

from modelmill.training.parameters_module import layers_of


def shard(model: Any, mesh: DeviceMesh) -> Any:
    """A copy of the model of which each process holds a part; layers are unsharded one at a time as they compute.

    The model itself stays whole in the memory of the host: it is what the trained weights go back into.

    Raises:
        DataError: as `layers_of`.
    """
    copied = copy.deepcopy(model)
    for layer in layers_of(copied)[1]:
        fully_shard(layer, mesh=mesh)
    return fully_shard(copied, mesh=mesh)


def load_full_state_dict(model: Any, sharded: Any) -> None:
    """The weights of a sharded copy into the model, on rank 0; all ranks must call it."""
    state = get_model_state_dict(sharded, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if state:  # rank 0 alone gets it
        model.load_state_dict(state)
