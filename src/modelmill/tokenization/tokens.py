"""Texts as token ids: ragged arrays, one flat file that is memory-mapped when it is read."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.errors import DataError
from modelmill.records import table_digest
from modelmill.specs.training import TokenizationSpec
from modelmill.tokenization.words import learn_words, word_starts

WORD_STARTS = "word_starts"
"""Beside the split `train` of a corpus: for each of its tokens 1 where a word begins, else 0."""

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Tokens:
    """Token ids of many texts. Text i is `ids[offsets[i]:offsets[i + 1]]`; its label is `labels[i]`, -1 for none."""

    ids: Ids
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[Sequence[int] | Ids], labels: Sequence[int]) -> "Tokens":
        """Lay the ids of texts end to end."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        flat = np.concatenate([np.zeros(0, np.int32), *(np.asarray(ids, np.int32) for ids in texts)])
        return cls(flat, np.concatenate([[0], np.cumsum(lengths)]), np.asarray(labels, np.int64))

    def take(self, rows: NDArray[np.int64]) -> "Tokens":
        """Some of the texts."""
        return Tokens.of([self[int(row)] for row in rows], self.labels[rows].tolist())

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Ids:
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class TokenShards:
    """Tokens of a product's splits (or of a corpus, as its split `train`), its labels in order, the longest text.

    `records_sha256` says which records the split `train` was made from, `vocabulary_sha256` what an id means.
    """

    splits: dict[str, Tokens]
    label_names: list[str]
    max_tokens: int | None
    records_sha256: str
    vocabulary_sha256: str

    def save(self, folder: Path) -> None:
        """Write one folder per split, and `tokens.json`."""
        for name, tokens in self.splits.items():
            (folder / name).mkdir(parents=True)
            for array in ("ids", "offsets", "labels"):
                np.save(folder / name / f"{array}.npy", getattr(tokens, array))
        about = {
            "labels": self.label_names,
            "max_tokens": self.max_tokens,
            "records_sha256": self.records_sha256,
            "vocabulary_sha256": self.vocabulary_sha256,
            "splits": {name: {"texts": len(t), "tokens": len(t.ids)} for name, t in self.splits.items()},
        }
        (folder / "tokens.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    def check_made_by(self, tokenizer: Any) -> None:
        """Raise `DataError` when the ids are another tokenizer's."""
        if self.vocabulary_sha256 != vocabulary_digest(tokenizer):
            raise DataError(
                "the token ids were made by another tokenizer than the one that is there now: ids would mean other "
                "words. Run the pipeline `tokenization` again before training."
            )

    @classmethod
    def load(cls, folder: Path) -> "TokenShards":
        """Open the shards; ids stay on disk until they are used."""
        splits = {
            path.name: Tokens(
                np.load(path / "ids.npy", mmap_mode="r"),
                np.load(path / "offsets.npy"),
                np.load(path / "labels.npy"),
            )
            for path in sorted(folder.iterdir())
            if path.is_dir()
        }
        about = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
        digests = about["records_sha256"], about["vocabulary_sha256"]
        return cls(splits, about["labels"], about["max_tokens"], *digests)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder, by transformers."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def vocabulary_digest(tokenizer: Any) -> str:
    """SHA-256 over the tokens in the order of their ids."""
    vocabulary = sorted((number, token) for token, number in tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest()


def encode(texts: Sequence[str], tokenizer: Any, max_tokens: int | None) -> list[list[int]]:
    """Token ids of each text with special tokens; longer texts are cut to `max_tokens` (None: never)."""
    if not texts:
        return []
    options = {"truncation": True, "max_length": max_tokens} if max_tokens else {"truncation": False}
    encoded: list[list[int]] = tokenizer(
        list(texts), return_attention_mask=False, return_token_type_ids=False, verbose=False, **options
    )["input_ids"]
    return encoded


def tokenize(
    tables: dict[str, pl.DataFrame], tokenizer_folder: Path, max_tokens: int | None, label_names: list[str]
) -> TokenShards:
    """Encode tables of records (columns text, label).

    Args:
        tables: split name to records.
        tokenizer_folder: files that `AutoTokenizer` reads.
        max_tokens: longest text, None for whole texts.
        label_names: the class of label i is `label_names[i]`; empty for records without labels.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    number = {label: i for i, label in enumerate(label_names)}
    splits = {}
    for name, table in tables.items():
        encoded = encode(table["text"].to_list(), tokenizer, max_tokens)
        splits[name] = Tokens.of(encoded, [number.get(label, -1) for label in table["label"]])
    digests = table_digest(tables["train"]), vocabulary_digest(tokenizer)
    return TokenShards(splits, label_names, max_tokens, *digests)


def tokenize_product(
    train: pl.DataFrame, validation: pl.DataFrame, backbone: Path, spec: TokenizationSpec
) -> TokenShards:
    """The splits that training reads, by the backbone's tokenizer."""
    config = json.loads((backbone / "config.json").read_text(encoding="utf-8"))
    longest = config.get("max_position_embeddings", config.get("n_positions"))  # GPT-2 calls it otherwise
    if longest is not None and spec.max_tokens > longest:
        raise DataError(f"`tokenization.max_tokens` is {spec.max_tokens}, but the backbone reads {longest}; lower it.")
    label_names = sorted(set(train["label"]))
    return tokenize({"train": train, "validation": validation}, backbone, spec.max_tokens, label_names)


def tokenize_corpus(clean: pl.DataFrame, tokenizer: Path, whole_words: bool = False) -> TokenShards:
    """A corpus, whole texts; with `whole_words` also where its words begin, `WORD_STARTS`."""
    shards = tokenize({"train": clean}, tokenizer, None, [])
    if not whole_words:
        return shards
    texts = clean["text"].to_list()
    starts = word_starts(texts, load_tokenizer(tokenizer), learn_words(texts))
    return replace(shards, splits={**shards.splits, WORD_STARTS: Tokens.of(starts, [-1] * len(starts))})
