"""Leaving out what no one looks at: the end of the last layer, and the head, run only for the tokens that count."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from modelmill.training.parameters_module import layers_of

BERTS = ("bert", "roberta", "xlm-roberta", "electra")
"""Kinds of one design, whose classifiers look at the first token alone."""

FEED_FORWARD = {"modernbert": ("mlp_norm", "mlp"), **dict.fromkeys(BERTS, ("intermediate", "output.dense"))}
"""First and last module of the part of a layer that sees each token by itself, by the kind of model."""

HEADS = {"modernbert": "head", "bert": "cls.predictions", "roberta": "lm_head", "xlm-roberta": "lm_head"}
"""What makes the logits of tokens."""


class NeededRows:
    """Which tokens are looked at. What is seen of them stays the same, but for rounding, and so do the gradients.

    In the last layer attention needs all tokens, the feed-forward part only these. In small models that is much: of six
    layers a tenth of all products when one token of 20 is looked at, and of BERT's logits all but the masked share.
    """

    def __init__(self, model: Any) -> None:
        self.index: torch.Tensor | None = None
        """Numbers of the tokens that leave the last layer, (needed,), counted through the batch; None: all."""
        self.asked: torch.Tensor | None = None
        """Of those whose logits a language model's head makes, (asked,); None: all."""
        self._model, self._form = model, torch.Size()

    def __deepcopy__(self, _: dict[int, Any]) -> "NeededRows":
        """Hooks of a copied model ask here, too."""
        return self

    @property
    def first_token_only(self) -> bool:
        """Whether a classifier looks at the first token alone."""
        config = self._model.config
        return config.model_type in BERTS or getattr(config, "classifier_pooling", None) == "cls"

    @contextmanager
    def only(self) -> Iterator[None]:
        """Within, the model leaves the others out, where its design is known: see the tables above."""
        kind, hooks = self._model.config.model_type, []
        again = self._model.is_activation_checkpointing  # with an index that has moved on
        if kind in FEED_FORWARD and not again:
            layer = layers_of(self._model)[1][-1]
            first, last = map(layer.get_submodule, FEED_FORWARD[kind])
            hooks += [first.register_forward_pre_hook(self._enter), last.register_forward_hook(self._leave)]
        if kind in HEADS and self._model.get_output_embeddings() is not None:
            hooks.append(self._model.get_submodule(HEADS[kind]).register_forward_pre_hook(self._ask))
        try:
            yield
        finally:
            self.index = self.asked = None
            for hook in hooks:
                hook.remove()

    def _enter(self, _: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        self._form = args[0].shape
        return None if self.index is None else _rows(args, self.index)

    def _leave(self, _: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor | None:
        if self.index is None:
            return None
        whole = output.new_zeros(self._form[0] * self._form[1], output.shape[-1])
        return whole.index_copy(0, self.index, output).view(*self._form[:2], -1)

    def _ask(self, _: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        return None if self.asked is None else _rows(args, self.asked)


def _rows(args: tuple[torch.Tensor, ...], index: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Of the first argument, (batch, tokens, width), some tokens."""
    return (args[0].flatten(0, 1).index_select(0, index), *args[1:])
