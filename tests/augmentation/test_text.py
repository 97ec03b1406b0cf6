"""Augmentation: training records only, reproducible, never empty."""

import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from modelmill.augmentation.augment import augment
from modelmill.augmentation.text import KINDS, Sources, alter
from modelmill.augmentation.units import has_no_spaces, split_sentences, split_units
from modelmill.errors import SourceError
from modelmill.records import RECORD
from modelmill.specs.augmentation import Augmentations, AugmentationSpec

TRAIN = pl.DataFrame(
    [("a", "one two three", "x", "f:1"), ("b", "这本书很好看", "y", "f:2")], schema=RECORD, orient="row"
)
SOURCES = Sources(units=["u", "单"], synonyms={"two": ["2"], "很好": ["不错"]}, longest=2, peers=["A peer. And more!"])


def augmented(train: pl.DataFrame, declared: object, root: Path = Path()) -> pl.DataFrame:
    """The records and their copies."""
    return augment(train, Augmentations.model_validate(declared), str(root))[0]


def test_originals_come_first_and_copies_are_named() -> None:
    """Ids say which record and which step a copy comes from; labels stay."""
    table = augmented(TRAIN, [{"kind": "swap", "rate": 1.0}, {"kind": "delete", "copies": 2}])
    assert table.head(2).equals(TRAIN)
    assert table["id"].to_list()[2:] == ["a+swap1", "b+swap1", "a+delete1", "b+delete1", "a+delete2", "b+delete2"]
    assert table["label"].to_list() == ["x", "y"] * 4


def test_copies_differ_from_their_originals() -> None:
    """At a low rate too; what cannot be altered has no copy."""
    train = pl.DataFrame([("a", "good fine book", "x", "f"), ("b", "one", "x", "f")], schema=RECORD, orient="row")
    table = augmented(train, {"kind": "swap", "rate": 0.1, "copies": 3}).tail(-2)
    assert table["id"].to_list() == ["a+swap1", "a+swap2", "a+swap3"]
    assert "good fine book" not in table["text"].to_list()


def test_two_steps_of_a_kind_make_different_copies() -> None:
    """Numbers go on, so ids and random choices differ."""
    table = augmented(TRAIN, [{"kind": "delete", "rate": 0.5, "copies": 2}, {"kind": "delete", "rate": 0.5}])
    assert table["id"].to_list()[2:] == ["a+delete1", "b+delete1", "a+delete2", "b+delete2", "a+delete3", "b+delete3"]
    assert table["id"].is_unique().all()


def test_the_preview_shows_copies_beside_their_originals() -> None:
    """Some of each step."""
    shown = augment(TRAIN, Augmentations.model_validate([{"kind": "swap", "rate": 1.0}]), ".")[1]
    assert shown.rows() == [
        ("a+swap1", "x", "one two three", "two three one"),
        ("b+swap1", "y", "这本书很好看", "本书很好看这"),
    ]
    assert augment(TRAIN, Augmentations([]), ".")[1].is_empty()


def test_no_step_changes_nothing() -> None:
    """The default is no augmentation."""
    assert augmented(TRAIN, []).equals(TRAIN)


def test_copies_that_balance_the_labels() -> None:
    """Every label comes up to the most frequent one, its records in turn."""
    rows = [(f"r{i}", f"text {i}", "x" if i < 5 else "y", "f") for i in range(7)]
    table = augmented(pl.DataFrame(rows, schema=RECORD, orient="row"), {"kind": "swap", "copies": "balance"})
    assert table["id"].to_list()[7:] == ["r5+swap1", "r6+swap1", "r5+swap2"]
    assert table["label"].value_counts()["count"].to_list() == [5, 5]


@pytest.mark.parametrize("kind", ["delete", "swap", "noise", "mix"])
def test_the_same_seed_gives_the_same_copies(kind: str) -> None:
    """And another seed others."""
    train = pl.DataFrame(
        [(f"r{i}", f"One {i}. Two {i}! Three? Four.", "x", "f") for i in range(9)], schema=RECORD, orient="row"
    )
    steps = [{"kind": kind, "rate": 0.5, "copies": 2, "seed": seed} for seed in (1, 1, 2)]
    first, again, other = (augmented(train, step)["text"].to_list() for step in steps)
    assert first == again != other


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=30), seed=st.integers(0, 99))
def test_a_text_is_never_emptied(kind: str, text: str, seed: int) -> None:
    """Not even at rate 1; at rate 0 its units stay what they are."""
    needs = {"lexicon": "words.txt"} if kind == "synonym" else {}
    full = AugmentationSpec.model_validate({"kind": kind, "rate": 1.0, **needs})
    assert alter(text, full, random.Random(seed), SOURCES).strip() or not text.strip()
    none = full.model_copy(update={"rate": 0.0})
    assert alter(text, none, random.Random(seed), SOURCES).split() == text.split() or kind == "mix"


@given(st.text(max_size=40))
def test_units_and_sentences_are_the_text(text: str) -> None:
    """Nothing is lost between them."""
    assert "".join(split_units(text)) == text
    assert "".join(split_sentences(text)) == text


def test_units_are_words_or_characters() -> None:
    """At rate 1 every unit moves one place: the first ends last."""
    step = AugmentationSpec(kind="swap", rate=1.0)
    assert alter("one two three", step, random.Random(0), SOURCES) == "two three one"
    assert alter("很好看", step, random.Random(0), SOURCES) == "好看很"


def test_noise_is_one_slip_a_word() -> None:
    """A character doubled, left out or exchanged: lengths differ by one at most."""
    step = AugmentationSpec(kind="noise", rate=1.0)
    for seed in range(20):
        words = alter("letters 好 a", step, random.Random(seed), SOURCES).split()
        assert [abs(len(new) - len(old)) <= 1 for new, old in zip(words, ["letters", "好", "a"], strict=True)] == [
            True
        ] * 3
        assert words[1:] == ["好好", "aa"]


def test_synonyms_come_from_the_lexicon(tmp_path: Path) -> None:
    """Words of several characters or words are found, longest first, in any case; a line is a set of words."""
    (tmp_path / "words.txt").write_text("很好\t不错\nnew york,NYC\nbig large\n好 佳\n", encoding="utf-8")
    train = pl.DataFrame(
        [("a", "Big New York is big, big!", "x", "f:1"), ("b", "这本书很好,好", "x", "f:2")],
        schema=RECORD,
        orient="row",
    )
    step = {"kind": "synonym", "rate": 1.0, "lexicon": "words.txt"}
    assert augmented(train, step, tmp_path)["text"].to_list()[2:] == ["large NYC is large, large!", "这本书不错,佳"]
    with pytest.raises(SourceError, match="no such lexicon"):
        augmented(train, {**step, "lexicon": "other.txt"}, tmp_path)


def test_mixed_sentences_keep_the_label() -> None:
    """Sentences come from texts of the same label only."""
    texts = [("a", "Red one. Red two.", "x"), ("b", "Red three. Red four.", "x"), ("c", "Blue one. Blue two.", "y")]
    train = pl.DataFrame([(*row, "f") for row in texts], schema=RECORD, orient="row")
    table = augmented(train, {"kind": "mix", "rate": 0.7, "copies": 5}).tail(15)
    colours = {"x": "Red", "y": "Blue"}
    assert all(set(text.split()[::2]) == {colours[label]} for text, label in table.select("text", "label").iter_rows())


def test_a_key_that_does_not_belong_to_the_kind_is_refused() -> None:
    """A lexicon for `delete` would be ignored; `synonym` without one could do nothing."""
    for wrong in ({"kind": "delete", "lexicon": "a.txt"}, {"kind": "synonym"}, {"kind": "rewrite"}):
        with pytest.raises(ValidationError, match="belongs to the kind"):
            AugmentationSpec.model_validate(wrong)


def test_scripts_without_spaces_are_told_by_their_letters() -> None:
    """Chinese is, English is not."""
    assert has_no_spaces(["这本书很好看 ok"])
    assert not has_no_spaces(["a fine book 好"])


def test_texts_are_rewritten_by_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models, one after another: the tiny one writes other texts, the same for the same seed; none is empty."""
    monkeypatch.setattr("modelmill.augmentation.rewrite.LONGEST", 8)
    folder = tiny_seq2seq(tmp_path / "model")
    step = {"kind": "rewrite", "models": ["model", "model"], "rate": 0.0}
    first, again = (augmented(TRAIN, step, tmp_path) for _ in range(2))
    assert first.equals(again)
    assert first["id"].to_list()[2:] == ["a+rewrite1", "b+rewrite1"]
    assert all(first["text"])
    assert folder.is_dir()
    with pytest.raises(SourceError, match="no sequence-to-sequence model could be loaded"):
        augmented(TRAIN, {**step, "models": ["nowhere"]}, tmp_path)


def tiny_seq2seq(folder: Path) -> Path:
    """A T5 of one layer with random weights, and a tokenizer of single characters."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    marks = ["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.WordLevel({mark: i for i, mark in enumerate(marks)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(marks), d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder
