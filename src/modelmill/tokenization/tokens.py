"""Texts as token ids: ragged arrays, one flat file that is memory-mapped when it is read."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.errors import DataError
from modelmill.progress import counted
from modelmill.records import table_digest
from modelmill.specs.training import TokenizationSpec
from modelmill.tables import AnyTable, batches_of
from modelmill.tokenization.train import Texts
from modelmill.tokenization.words import learn_words, word_starts

WORD_STARTS = "word_starts"
"""Beside the split `train` of a corpus: for each of its tokens 1 where a word begins, else 0."""

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Tokens:
    """Token ids of many texts. Text i is `ids[begins[i]:ends[i]]`, its target `labels[i]` (-1: none)."""

    ids: Ids
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    labels: NDArray[Any]

    @classmethod
    def of(cls, texts: Sequence[Sequence[int] | Ids], labels: Sequence[int] | NDArray[Any]) -> "Tokens":
        """Lay the ids of texts end to end."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        flat = np.concatenate([np.zeros(0, np.int32), *(np.asarray(ids, np.int32) for ids in texts)])
        ends = np.cumsum(lengths)
        return cls(flat, ends - lengths, ends, np.asarray(labels))

    def take(self, rows: NDArray[np.int64]) -> "Tokens":
        """Some of the texts; their ids stay where they are."""
        return Tokens(self.ids, self.begins[rows], self.ends[rows], self.labels[rows])

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: int) -> Ids:
        return self.ids[self.begins[i] : self.ends[i]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text."""
        return self.ends - self.begins


@dataclass(frozen=True)
class TokenShards:
    """Tokens of a product's splits (or of a corpus, as its split `train`), the longest text, and what was said `about`
    them.

    `records_sha256` says which records the split `train` was made from, `vocabulary_sha256` what an id means.
    """

    splits: dict[str, Tokens]
    about: dict[str, Any]
    max_tokens: int | None
    records_sha256: str
    vocabulary_sha256: str

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
        splits = {path.name: _load(path) for path in sorted(folder.iterdir()) if path.is_dir()}
        about = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
        return cls(splits, about, about["max_tokens"], about["records_sha256"], about["vocabulary_sha256"])


def _load(folder: Path) -> Tokens:
    offsets = np.load(folder / "offsets.npy")
    return Tokens(np.load(folder / "ids.npy", mmap_mode="r"), offsets[:-1], offsets[1:], np.load(folder / "labels.npy"))


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


@dataclass(frozen=True)
class Encoding:
    """Tables of records (column text) that become token ids while they are saved, batch by batch.

    Args:
        tables: split name to records.
        tokenizer_folder: files that `AutoTokenizer` reads.
        max_tokens: longest text, None for whole texts.
        targets: what is to be learned of records, (records, ...); None for nothing.
        about: what else is to be said in `tokens.json`.
        tokens: what makes tokens and targets of records with the tokenizer, where it is not one text a record.
        examples: what the model reads of records of a split, as other records; None: the records themselves.
        whole_words: write `WORD_STARTS` too.
    """

    tables: Mapping[str, AnyTable]
    tokenizer_folder: Path
    max_tokens: int | None
    targets: Callable[[pl.DataFrame], NDArray[Any]] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    whole_words: bool = False
    tokens: Callable[[pl.DataFrame, Any], Tokens] | None = None
    examples: Callable[[str, pl.DataFrame], pl.DataFrame] | None = None

    def save(self, folder: Path) -> None:
        """Write one folder per split, and `tokens.json`."""
        tokenizer = load_tokenizer(self.tokenizer_folder)

        def encoded(name: str, records: pl.DataFrame) -> Tokens:
            if self.tokens:
                return self.tokens(records, tokenizer)
            batch = self.examples(name, records) if self.examples else records
            ids = encode(batch["text"].to_list(), tokenizer, self.max_tokens)
            return Tokens.of(ids, self.targets(batch) if self.targets else [-1] * len(ids))

        about = {
            **self.about,
            "max_tokens": self.max_tokens,
            "records_sha256": table_digest(self.tables["train"]),
            "vocabulary_sha256": vocabulary_digest(tokenizer),
            "splits": {
                name: {**_save(table, partial(encoded, name), folder / name), "records_sha256": table_digest(table)}
                for name, table in self.tables.items()
            },
        }
        if self.whole_words:
            words = learn_words(Texts(self.tables["train"]))

            def starts(batch: pl.DataFrame) -> Tokens:
                return Tokens.of(word_starts(batch["text"].to_list(), tokenizer, words), [-1] * batch.height)

            _save(self.tables["train"], starts, folder / WORD_STARTS)
        (folder / "tokens.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def _save(table: AnyTable, encoded: Callable[[pl.DataFrame], Tokens], folder: Path) -> dict[str, int]:
    """Write a folder of arrays, batch by batch; answers how many texts and tokens there are."""
    lengths, labels = [np.zeros(1, np.int64)], []
    folder.mkdir(parents=True)
    with (folder / "ids.npy").open("wb") as ids:
        _write_header(ids, 0)
        for batch in counted(batches_of(table), f"tokenizing ({folder.name})", table.height, "records"):
            found = encoded(batch)
            ids.write(found.ids.tobytes())
            lengths.append(found.lengths)
            labels.append(found.labels)
        offsets = np.cumsum(np.concatenate(lengths))
        _write_header(ids, int(offsets[-1]))
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "labels.npy", np.concatenate(labels) if labels else np.zeros(0, np.int64))
    return {"texts": len(offsets) - 1, "tokens": int(offsets[-1])}


def _write_header(file: BinaryIO, count: int) -> None:
    """The header of a .npy file of so many ids; it leaves room for another number, so that it can be written again."""
    file.seek(0)
    about = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.int32)), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, about)


def check_length(spec: TokenizationSpec, backbone: Path) -> None:
    """Raise `DataError` when texts may be longer than the backbone reads."""
    config = json.loads((backbone / "config.json").read_text(encoding="utf-8"))
    longest = config.get("max_position_embeddings", config.get("n_positions"))  # GPT-2 calls it otherwise
    if longest is not None and spec.max_tokens > longest:
        raise DataError(f"`tokenization.max_tokens` is {spec.max_tokens}, but the backbone reads {longest}; lower it.")


def tokenize_corpus(clean: AnyTable, tokenizer: Path, whole_words: bool = False) -> Encoding:
    """A corpus, whole texts; with `whole_words` also where its words begin, `WORD_STARTS`."""
    return Encoding({"train": clean}, tokenizer, None, whole_words=whole_words)
