"""What is done to a model before and after it is fine-tuned."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec


@contextmanager
def prepared(model: Any, spec: FineTuningSpec, used: NDArray[np.int64] | None = None) -> Iterator[dict[str, int]]:
    """Within, a transformers model trains as declared: frozen parts, adapters, checkpoints of activations. After it the
    model is a plain one again, adapters merged into its weights.

    Args:
        model: what is trained.
        spec: how.
        used: ids that may occur, ascending; the word embeddings of others are left as they are. None: all may.

    Yields:
        how many parameters the model has, and how many are trained.

    Raises:
        DataError: when the model cannot do what is declared.
    """
    import torch

    from modelmill.training.parameters_module import freeze
    from modelmill.training.vocabulary_module import used_embedding

    size = model.num_parameters()
    freeze(model, spec.freeze)
    adapters = None
    if spec.lora:
        from modelmill.training.lora_module import add_adapters

        adapters = add_adapters(model, spec.lora)
    if spec.gradient_checkpointing:
        _checkpoint_activations(model)
    with nullcontext() if used is None else used_embedding(model, torch.from_numpy(used)):
        yield {"parameters": size, "trained_parameters": model.num_parameters(only_trainable=True)}
    if adapters:
        adapters.merge_and_unload()


def _checkpoint_activations(model: Any) -> None:
    if not model.supports_gradient_checkpointing:
        raise DataError(f"{type(model).__name__} cannot do `training.gradient_checkpointing`; leave it out.")
    model.activation_checkpointing_enable({"use_reentrant": False})
    model.disable_input_require_grads()  # for re-entrant ones; would only send gradients through frozen layers
