"""Fine-tuning of a causal language model on whole texts."""

from typing import Any

import torch
from torchmetrics import Metric

from modelmill.tasks.text_module import Buckets, TextModule


class GenerationModule(TextModule):
    """What stands for the logits of a record are two numbers: minus the log-likelihood of its tokens behind the prompt,
    and how many they are. The target of a record is the length of its prompt, in tokens.
    """

    def _logits(self, buckets: Buckets) -> torch.Tensor:
        """(records, 2)."""
        return torch.cat([self._likelihoods(ids, mask, labels)[: len(labels)] for ids, mask, labels in buckets])

    def _likelihoods(self, ids: torch.Tensor, mask: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        logits = self._logits_of(ids, mask)
        lengths = torch.nn.functional.pad(prompts, (0, len(ids) - len(prompts)))  # blanks have no target
        return likelihoods(logits, ids, mask, lengths)


def likelihoods(logits: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Minus the log-likelihood of the tokens behind each prompt, and their number.

    Args:
        logits: (records, longest, vocabulary).
        ids: (records, longest).
        mask: 1 for tokens, 0 for padding behind them, (records, longest).
        prompts: tokens that are given, (records,); the first one always is.
    """
    losses = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    places = torch.arange(1, ids.shape[1], device=ids.device)
    asked = (mask[:, 1:] > 0) & (places >= prompts[:, None])
    return torch.stack([(losses * asked).sum(1), asked.sum(1).to(losses.dtype)], 1)


class LogLikelihood(Metric):
    """Mean log-likelihood of a token; higher is better."""

    def __init__(self) -> None:
        super().__init__()
        self.sums: Any
        self.add_state("sums", torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, likelihoods: torch.Tensor, _: torch.Tensor) -> None:
        """Add records, (records, 2)."""
        self.sums += likelihoods.detach().double().sum(0)

    def compute(self) -> torch.Tensor:
        """Over all tokens so far."""
        mean: torch.Tensor = -self.sums[0] / self.sums[1]
        return mean
