"""Pairs of pieces of text."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmill.tokenization.tokens import Tokens, load_tokenizer
from modelmill.training.masked_lm import Masking
from modelmill.training.next_sentence import NextSentence
from tests.training.tiny import corpus_of, encoded_by, made, specified

PAD, CLS, SEP, BLOCK = 0, 2, 3, 12


def objective(lengths: list[int], share: float = 0.0, words: bool = False) -> NextSentence:
    """Texts of so many tokens; token k of text i is 100 i + 10 + k, so that each says where it comes from."""
    texts = [[CLS, *range(100 * i + 10, 100 * i + 10 + length), SEP] for i, length in enumerate(lengths)]
    tokens = Tokens.of(texts, [-1] * len(texts))
    starts = replace(tokens, ids=tokens.ids % 2) if words else None
    return NextSentence(tokens, starts, Masking(share, np.arange(10, 100 * len(texts) + 10), 4), PAD, BLOCK)


def pieces(batch: dict[str, np.ndarray], row: int) -> tuple[list[int], list[int]]:
    """The tokens of A and of B, by the types and the mask."""
    ids, types, shown = (batch[name][row] for name in ("input_ids", "token_type_ids", "attention_mask"))
    return ids[(types == 0) & (shown == 1)][1:-1].tolist(), ids[types == 1][:-1].tolist()


@given(st.lists(st.integers(0, 40), min_size=2, max_size=12), st.integers(0, 99))
def test_half_follow_and_half_are_from_another_text(lengths: list[int], seed: int) -> None:
    """The label says which; A is [CLS] A [SEP], B ends with [SEP]; nothing is longer than a block."""
    pairs = objective(lengths)
    rows = pairs.rows((seed, 0))
    assert len(rows) == pairs.count
    batch = pairs.batch(rows, (seed, 0, 0))
    for row, (ids, other) in enumerate(zip(batch["input_ids"], batch["next_sentence_label"], strict=True)):
        first, second = pieces(batch, row)
        assert first
        assert second
        assert [ids[0], ids[len(first) + 1], ids[len(first) + len(second) + 2]] == [CLS, SEP, SEP]
        assert (ids[batch["attention_mask"][row] == 0] == PAD).all()
        for piece in (first, second):
            assert piece == list(range(piece[0], piece[0] + len(piece)))
        if other:
            assert first[0] // 100 != second[0] // 100
        else:
            assert second[0] == first[-1] + 1


def test_the_label_cannot_be_told_from_the_length() -> None:
    """About half of the pairs have each label, and their pieces are as long."""
    pairs = objective([4, 9, 30, 90] * 50)
    batches = [pairs.batch(pairs.rows((0, epoch)), (0, epoch, 0)) for epoch in range(4)]
    other = np.concatenate([batch["next_sentence_label"] for batch in batches]) == 1
    lengths = np.concatenate([batch["token_type_ids"].sum(1) for batch in batches])
    assert abs(other.mean() - 0.5) < 0.03
    assert abs(lengths[other].mean() - lengths[~other].mean()) < 0.15


def test_every_token_is_in_one_stretch() -> None:
    """But for a rest of one token, which cannot be cut in two: 9 tokens fill a block."""
    rows = objective([20, 10, 3]).rows((0, 0))
    assert sorted(map(tuple, rows.tolist())) == [(0, 0, 9), (0, 9, 9), (0, 18, 2), (1, 0, 9), (2, 0, 3)]


def test_there_are_no_pairs_of_one_text() -> None:
    """Neither of none, nor where the others are empty."""
    assert [objective(lengths).count for lengths in ([], [50], [50, 0])] == [0, 0, 0]


def test_masks_spare_what_holds_the_pair_together() -> None:
    """[CLS], [SEP] and padding are never to be predicted; by whole words, even tokens go with the odd one before."""
    pairs = objective([30] * 40, share=0.5, words=True)
    batch = pairs.batch(pairs.rows((0, 0)), (0, 0, 0))
    predicted = batch["labels"] != -100
    assert 0.4 < predicted[(batch["input_ids"] >= 4)].mean() < 0.6
    assert not predicted[np.isin(batch["input_ids"], (CLS, SEP, PAD))].any()
    plain = objective([30] * 40, words=True).batch(pairs.rows((0, 0)), (0, 0, 0))["input_ids"]
    goes_on = (plain[:, 1:] % 2 == 0) & (plain[:, 1:] == plain[:, :-1] + 1) & (plain[:, :-1] >= 10)
    assert goes_on.sum() > 100
    assert np.array_equal(predicted[:, 1:][goes_on], predicted[:, :-1][goes_on])


def test_same_seed_same_pairs() -> None:
    """All of a batch follows from its seed."""
    pairs = objective([30, 20, 10], share=0.2)
    rows = pairs.rows((0, 0))
    first, again, other = (pairs.batch(rows, (0, 0, start)) for start in (0, 0, 1))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["input_ids"], other["input_ids"])


def chatter(count: int, seed: int) -> list[str]:
    """Texts on one topic each, of six; a topic is four letters that the others have not."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(TOPICS[i % 6], k=28)) for i in range(count)]


TOPICS = ["abcd", "efgh", "ijkl", "mnop", "qrst", "uvwx"]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny backbone that has read of the topics."""
    spec = specified(
        objective="masked_lm_nsp",
        kind="bert",
        tokenizer={"kind": "character", "vocabulary": 100},
        training={"max_steps": 250, "batch_blocks": 16, "learning_rate": 3e-3},
    )
    return made(spec, corpus_of(chatter(520, 0)), tmp_path_factory.mktemp("nsp"))


def test_transformers_reads_both_heads(backbone: Path) -> None:
    """No tensor is missing for `BertForPreTraining`, and the tokenizer makes pairs as in training."""
    from transformers import AutoTokenizer, BertForPreTraining

    _, found = BertForPreTraining.from_pretrained(backbone, output_loading_info=True)
    assert not found["missing_keys"]
    pair = AutoTokenizer.from_pretrained(backbone)("a b", "c")
    assert pair["input_ids"][0] == CLS
    assert pair["token_type_ids"] == [0, 0, 0, 0, 1, 1]


def test_it_learns_what_follows(backbone: Path, tmp_path: Path) -> None:
    """On texts that it has not read: five of six pieces from elsewhere are of another topic, so 0.92 is the most."""
    import torch
    from transformers import BertForPreTraining

    tokens = encoded_by(backbone, corpus_of(chatter(300, 1)), tmp_path / "encoded")
    pairs = NextSentence(tokens, None, Masking.by(load_tokenizer(backbone), 0.01), PAD, 32)
    batch = {name: torch.from_numpy(part) for name, part in pairs.batch(pairs.rows((0, 0)), (0, 0, 0)).items()}
    with torch.inference_mode():
        guesses = BertForPreTraining.from_pretrained(backbone)(**batch).seq_relationship_logits.argmax(-1)
    assert (guesses == batch["next_sentence_label"]).float().mean() > 0.75
