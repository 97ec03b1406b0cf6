"""Word embeddings of the words that there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class UsedEmbedding(nn.Module):
    """Some rows of an embedding, found by the old ids; an id of another row is an error."""

    place: torch.Tensor

    def __init__(self, whole: nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(whole.weight.detach()[used])
        self.embedding_dim = whole.embedding_dim
        place = torch.full((whole.num_embeddings,), len(used))
        place[used] = torch.arange(len(used))
        self.register_buffer("place", place, persistent=False)
        self._padding = None if whole.padding_idx is None else int(place[whole.padding_idx])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of ids."""
        return nn.functional.embedding(self.place[ids], self.weight, self._padding)


@contextmanager
def used_embedding(model: Any, used: torch.Tensor) -> Iterator[None]:
    """Within, a transformers model has word embeddings for the ids in use only; after it, all of them again.

    AdamW goes over every row in every step, and most of a vocabulary does not occur in a product's texts: 25,000 of
    MiniLM's 30,522 words in 1,500 sentences. These keep their values, which weight decay would have shrunk.

    Args:
        model: what is trained; nothing happens when its word embeddings are not.
        used: ids that may occur, ascending, that of padding among them, (used,).
    """
    whole = model.get_input_embeddings()
    if not whole.weight.requires_grad:
        yield
        return
    part = UsedEmbedding(whole, used)
    model.set_input_embeddings(part)
    yield
    with torch.no_grad():
        whole.weight[used] = part.weight.to(whole.weight.device)
    model.set_input_embeddings(whole)
