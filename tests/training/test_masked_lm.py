"""Masked language modelling: masks, whole words, and blocks that carry both."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmill.errors import DataError
from modelmill.tokenization.tokens import Tokens, load_tokenizer
from modelmill.training.masked_lm import MaskedLm, Masking, mask_tokens
from modelmill.training.objective import Stream, fixed_batches
from modelmill.training.pretrain import pretrain
from tests.training.tiny import corpus_of, made, specified

MASKING = Masking(0.2, np.arange(5, 1000), 4)


def ragged(*texts: list[int]) -> Tokens:
    """Tokens of texts."""
    return Tokens.of(texts, [-1] * len(texts))


def test_masking_follows_bert() -> None:
    """Of the chosen 80% are [MASK], 10% random, 10% kept; specials are never chosen; labels name the originals."""
    ids = np.tile(np.arange(1000), (100, 1))
    corrupted, labels = mask_tokens(ids, MASKING, (0,))
    chosen = labels != -100
    assert np.array_equal(labels[chosen], ids[chosen])
    assert np.array_equal(corrupted[~chosen], ids[~chosen])
    assert not chosen[:, :5].any()
    assert abs(chosen[:, 5:].mean() - 0.2) < 0.01
    assert abs((corrupted[chosen] == 4).mean() - 0.8) < 0.02
    assert abs((corrupted[chosen] == ids[chosen]).mean() - 0.1) < 0.02


@pytest.mark.parametrize("specials", [[0, 1, 2, 3, 4], [0, 1, 2, 3, 999]])
def test_no_special_token_is_put_in_by_chance(specials: list[int]) -> None:
    """Also where [MASK] has the last id, as RoBERTa's."""
    masking = Masking(0.9, np.setdiff1d(np.arange(1000), specials), specials[-1])
    corrupted, _ = mask_tokens(np.full((50, 100), 500), masking, (0,))
    assert set(np.unique(corrupted)) & set(specials) == {specials[-1]}


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(0, 99))
def test_a_word_is_masked_as_a_whole(begins: list[bool], seed: int) -> None:
    """All tokens of a word are to be predicted, or none; a block may begin within a word."""
    starts = np.array([begins])
    masked = mask_tokens(np.full((1, len(begins)), 7), Masking(0.5, np.arange(5, 10), 4), (seed,), starts)[1][0] != -100
    words = np.cumsum(starts[0])
    for word in np.unique(words):
        assert len(set(masked[words == word])) == 1


def test_as_many_tokens_are_masked_by_words() -> None:
    """The share is one of tokens, whatever the length of the words."""
    starts = np.random.default_rng(0).random((200, 200)) < 0.4
    labels = mask_tokens(np.full((200, 200), 7), MASKING, (1,), starts)[1]
    assert abs((labels != -100).mean() - 0.2) < 0.02


def test_the_starts_of_words_go_with_their_tokens() -> None:
    """Blocks are drawn in the same order from both: where the id is even, a word begins."""
    texts = ragged(*[[2 * i, 2 * i + 1, 2 * i + 3] for i in range(3, 40)])
    starts = replace(texts, ids=1 - texts.ids % 2)
    rows = MaskedLm(texts, starts, MASKING, 4).rows((0, 1))[:]
    assert rows.shape == (37 * 3 // 4, 3, 4)
    assert np.array_equal(rows[:, 1], 1 - rows[:, 0] % 2)


def test_the_stream_goes_on_into_the_next_epoch() -> None:
    """It has no end, each batch follows from its number; what validation looks at stays the same."""
    objective = MaskedLm(ragged(*[[i, i + 1, i + 2, i + 3] for i in range(5, 45, 4)]), None, MASKING, 4)
    one, other = (Stream(objective, 2, 7) for _ in range(2))
    for number in (0, 4, 5, 19):  # an epoch has five
        first, second = one[number], other[number]
        assert all(np.array_equal(first[name], second[name]) for name in ("input_ids", "labels"))
    assert not np.array_equal(one[0]["labels"], one[5]["labels"])
    assert [len(batch["labels"]) for batch in fixed_batches(objective, 4, 7)] == [3, 3, 2, 2]


SENTENCES = ["unbelievably good 好看的书", "it was a disappointment 令人失望"] * 60
WHOLE_WORDS = {"kind": "bert", "whole_words": True, "tokenizer": {"vocabulary": 100}}


def test_whole_words_of_a_run(tmp_path: Path) -> None:
    """The declaration reaches the tokens and the training; a backbone of `bert` is what transformers reads."""
    from transformers import AutoModelForMaskedLM

    folder = made(specified(**WHOLE_WORDS), corpus_of(SENTENCES), tmp_path)
    assert AutoModelForMaskedLM.from_pretrained(folder).config.model_type == "bert"
    assert (tmp_path / "tokens/word_starts").is_dir()


def test_tokens_without_words_are_refused(tmp_path: Path) -> None:
    """`whole_words` was declared after the tokens were made: no silent masking of single tokens."""
    made(specified(kind="bert", tokenizer={"vocabulary": 100}), corpus_of(SENTENCES), tmp_path)
    with pytest.raises(DataError, match="do not say where words begin"):
        pretrain(tmp_path / "tokens", tmp_path / "tokenizer", specified(**WHOLE_WORDS), tmp_path / "work")


def test_masking_by_a_tokenizer_leaves_its_special_tokens_out(tmp_path: Path) -> None:
    """[PAD], [UNK], [CLS], [SEP], [MASK] have the ids 0 to 4."""
    made(specified(kind="bert", tokenizer={"vocabulary": 100}), corpus_of(SENTENCES), tmp_path)
    tokenizer = load_tokenizer(tmp_path / "tokenizer")
    masking = Masking.by(tokenizer, 0.3)
    assert masking.ordinary.tolist() == list(range(5, len(tokenizer)))
    assert masking.mask == 4
