"""Packed blocks: the texts end to end, none of which sees another."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmill.tokenization.tokens import Tokens
from modelmill.training.packing import PackedBlocks, count_blocks, separated

texts = st.lists(st.lists(st.integers(4, 99), min_size=1, max_size=9), min_size=1, max_size=12)


@settings(deadline=None)
@given(texts, st.integers(1, 7), st.sampled_from([None, 3]))
def test_blocks_hold_the_texts_end_to_end(lists: list[list[int]], block: int, end: int | None) -> None:
    """Every token but the short rest is in exactly one block, in its order, as in one long row that is cut."""
    tokens, seed = Tokens.of(lists, [-1] * len(lists)), (5, 1)
    rng = np.random.default_rng(seed)
    row = [token for i in rng.permutation(len(lists)) for token in [*lists[i], *([] if end is None else [end])]]
    count = len(row) // block
    expected = rng.permutation(np.array(row[: count * block], np.int64).reshape(count, block))
    blocks = PackedBlocks([tokens], block, seed, end)
    assert len(blocks) == count == count_blocks(tokens, block, end)
    assert np.array_equal(blocks[:][:, 0], expected)
    assert np.array_equal(blocks[1:3], blocks[:][1:3])


def test_a_part_of_the_texts_reads_that_part(tmp_path: Any) -> None:
    """`take` copies nothing; blocks of what it gives are made of those texts alone."""
    tokens = Tokens.of([[5, 5], [6, 6, 6], [7]], [-1] * 3)
    some = tokens.take(np.array([2, 0]))
    assert some.ids is tokens.ids
    assert sorted(PackedBlocks([some], 1, (0, 0))[:][:, 0].ravel().tolist()) == [5, 5, 7]


def test_who_sees_whom_by_hand() -> None:
    """Two texts of 1 and 2 tokens; positions begin anew."""
    sees, positions = separated(np.array([[4, 9, 9]]))
    assert sees[0, 0].tolist() == [[True, False, False], [False, True, True], [False, True, True]]
    assert positions.tolist() == [[0, 0, 1]]
    assert separated(np.array([[4, 9, 9]]), causal=True)[0][0, 0, 1].tolist() == [False, True, False]


SHAPE = {"vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 0}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "modernbert": ("AutoModelForMaskedLM", {**SHAPE, "intermediate_size": 32, "global_attn_every_n_layers": 1}),
    "bert": (
        "AutoModelForMaskedLM",
        {**SHAPE, "intermediate_size": 32, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    ),
    "gpt2": (
        "AutoModelForCausalLM",
        {**SHAPE, "n_positions": 64, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    ),
    "llama": ("AutoModelForCausalLM", {**SHAPE, "intermediate_size": 32}),
}


@pytest.mark.parametrize("kind", MODELS)
def test_packing_changes_no_gradient(kind: str) -> None:
    """Loss and gradients of packed blocks are those of a plain loop over the pieces of texts in them, one by one."""
    import transformers

    head, options = MODELS[kind]
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **options)
    model = getattr(transformers, head).from_config(config, attn_implementation="sdpa")
    rng = np.random.default_rng(0)
    tokens = Tokens.of([rng.integers(4, 100, n) for n in rng.integers(1, 12, 20)], [-1] * 20)
    rows = PackedBlocks([tokens], 16, (0, 0))[:]
    ids, numbers = torch.from_numpy(rows[:, 0]), rows[:, -1]
    causal = kind in ("gpt2", "llama")
    sees, positions = (torch.from_numpy(array) for array in separated(numbers, causal=causal))

    def gradients(loss: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(loss, list(model.parameters()), allow_unused=True))

    logits = model(input_ids=ids, attention_mask=sees, position_ids=positions).logits
    packed = gradients(torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten()))
    total = torch.zeros(())
    for row, pieces in zip(ids, numbers, strict=True):
        for number in np.unique(pieces):
            piece = row[torch.from_numpy(pieces == number)]
            total = total + torch.nn.functional.cross_entropy(
                model(input_ids=piece[None]).logits[0], piece, reduction="sum"
            )
    for one, other in zip(packed, gradients(total / ids.numel()), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
