"""Tokenizers: same corpus, same tokenizer; what comes out is what transformers reads."""

import json
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmill.errors import DataError
from modelmill.specs.backbone import ArchitectureKind, TokenizerSpec
from modelmill.specs.task import TaskSpec
from modelmill.specs.training import TokenizationSpec
from modelmill.tasks.run import encode as encode_product
from modelmill.tokenization.tokens import TokenShards, encode, load_tokenizer, tokenize_corpus
from modelmill.tokenization.train import train_tokenizer

TEXTS = ["这本书很好看", "这本书不好看,很失望", "Windows 很慢"] * 40 + [chr(0x4E00 + i) for i in range(300)]
COLUMNS = {"id": pl.String, "text": pl.String, "label": pl.String}
CORPUS = pl.DataFrame(
    [(str(i), text, None) for i, text in enumerate(TEXTS)], schema=["id", "text", "label"], orient="row"
)


@pytest.mark.parametrize("kind", ["bpe", "character", "byte_bpe"])
def test_training_twice_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    """Also where 300 characters tie for the last places of the vocabulary."""
    spec = TokenizerSpec.model_validate(
        {"kind": kind, "vocabulary": 300 if kind == "byte_bpe" else 150, "alphabet": 60}
    )
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        train_tokenizer(CORPUS, spec).save(tmp_path / name)
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert files[0] == files[1]


CLASSES = TaskSpec.model_validate("text_classification")


def test_merges_make_words_and_stop_at_punctuation() -> None:
    """Frequent words are one token; full-width punctuation and case are folded; unknown characters are [UNK]."""
    tokenizer = train_tokenizer(CORPUS, TokenizerSpec(vocabulary=150, alphabet=60)).tokenizer
    assert tokenizer.tokenize("这本书，WINDOWS") == ["这本书", ",", "win", "do", "ws"]
    assert tokenizer.tokenize("龘") == ["[UNK]"]
    assert tokenizer.decode(tokenizer("很").input_ids) == "[CLS] 很 [SEP]"


def test_characters_are_tokens() -> None:
    """The kind `character` never merges."""
    tokenizer = train_tokenizer(CORPUS, TokenizerSpec(kind="character", vocabulary=150)).tokenizer
    assert tokenizer.tokenize("这本书 Win") == ["这", "本", "书", "w", "i", "n"]


BYTES = TokenizerSpec(kind="byte_bpe", vocabulary=400)


OLD = st.characters(codec="utf-8").filter(lambda c: unicodedata.ucd_3_2_0.category(c) != "Cn")
"""Characters that every library's tables of Unicode know."""


@settings(deadline=None)
@given(st.text(OLD))
def test_bytes_give_every_text_back(text: str) -> None:
    """Case, blanks and characters that were never seen; in Unicode's form NFKC, which texts have after cleaning."""
    tokenizer = bytes_tokenizer("gpt2")
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == unicodedata.normalize("NFKC", text)


@cache
def bytes_tokenizer(architecture: ArchitectureKind) -> Any:
    """Of bytes, for an architecture."""
    return train_tokenizer(CORPUS, BYTES, architecture).tokenizer


@pytest.mark.parametrize(
    ("architecture", "single", "pair", "inputs"),
    [
        ("modernbert", "[CLS]a[SEP]", "[CLS]a[SEP]b[SEP]", {"input_ids", "attention_mask"}),
        ("bert", "[CLS]a[SEP]", "[CLS]a[SEP]b[SEP]", {"input_ids", "attention_mask", "token_type_ids"}),
        ("gpt2", "<|endoftext|>a", "<|endoftext|>ab", {"input_ids", "attention_mask"}),
        ("llama", "<s>a", "<s>ab", {"input_ids", "attention_mask"}),
    ],
)
def test_each_architecture_gets_its_special_tokens(
    architecture: ArchitectureKind, single: str, pair: str, inputs: set[str], tmp_path: Path
) -> None:
    """Around a text and a pair, also after a round trip over the disk beside a config; and its inputs, no more."""
    bytes_tokenizer(architecture).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": architecture}))
    tokenizer = load_tokenizer(tmp_path)
    assert [tokenizer.decode(tokenizer(*texts)["input_ids"]) for texts in (("a",), ("a", "b"))] == [single, pair]
    assert set(tokenizer("a")) == inputs
    assert tokenizer.pad_token_id == 0


def test_the_limit_of_a_gpt2_is_known(tmp_path: Path) -> None:
    """Its config says `n_positions`."""
    (tmp_path / "config.json").write_text('{"n_positions": 16}')
    with pytest.raises(DataError, match=r"is 17, but the backbone reads 16"):
        encode_product(CLASSES, CORPUS, CORPUS, tmp_path, TokenizationSpec(max_tokens=17))


def test_shards_come_back_from_disk(tmp_path: Path) -> None:
    """Ids, offsets, labels, label names and the cut are what was written; the ids are memory-mapped."""
    for name in ("tokenizer", "shards", "corpus"):
        (tmp_path / name).mkdir()
    train_tokenizer(CORPUS, TokenizerSpec(vocabulary=150, alphabet=60)).save(tmp_path / "tokenizer")
    (tmp_path / "tokenizer/config.json").write_text('{"max_position_embeddings": 16}')
    train = pl.DataFrame({"id": ["a", "b"], "text": ["这本书很好看" * 5, "失望"], "label": ["pos", "neg"]})
    encode_product(CLASSES, train, train.head(1), tmp_path / "tokenizer", TokenizationSpec(max_tokens=8)).save(
        tmp_path / "shards"
    )
    shards = TokenShards.load(tmp_path / "shards")
    assert (shards.about["labels"], shards.max_tokens) == (["neg", "pos"], 8)
    tokens = shards.splits["train"]
    expected = encode(train["text"].to_list(), load_tokenizer(tmp_path / "tokenizer"), 8)
    assert [tokens[i].tolist() for i in range(len(tokens))] == expected
    assert tokens.lengths.tolist() == [8, len(expected[1])]
    assert tokens.labels.tolist() == [1, 0]
    assert len(shards.splits["validation"]) == 1
    with pytest.raises(DataError, match=r"`tokenization\.max_tokens` is 17, but the backbone reads 16"):
        encode_product(CLASSES, train, train, tmp_path / "tokenizer", TokenizationSpec(max_tokens=17))
    tokenize_corpus(CORPUS, tmp_path / "tokenizer").save(tmp_path / "corpus")
    assert TokenShards.load(tmp_path / "corpus").splits["train"].labels.tolist() == [-1] * len(TEXTS)
