"""Augmentation: training records only, reproducible, never empty."""

import random

import polars as pl
import pytest

from modelmill.augmentation import augment
from modelmill.augmentation.text import alter, has_no_spaces
from modelmill.records import RECORD
from modelmill.specs.source import Augmentations, AugmentationSpec

TRAIN = pl.DataFrame(
    [("a", "one two three", "x", "f:1"), ("b", "这本书很好看", "y", "f:2")], schema=RECORD, orient="row"
)


def test_originals_come_first_and_copies_are_named() -> None:
    """Ids say which record and which step a copy comes from; labels stay."""
    table = augment(
        TRAIN, Augmentations.model_validate([{"kind": "swap", "rate": 1.0}, {"kind": "delete", "copies": 2}])
    )
    assert table.head(2).equals(TRAIN)
    assert table["id"].to_list()[2:] == ["a+swap1", "b+swap1", "a+delete1", "b+delete1", "a+delete2", "b+delete2"]
    assert table["label"].to_list() == ["x", "y"] * 4


def test_no_step_changes_nothing() -> None:
    """The default is no augmentation."""
    assert augment(TRAIN, Augmentations([])).equals(TRAIN)


def test_the_same_seed_gives_the_same_copies() -> None:
    """And another seed others."""
    steps = [Augmentations.model_validate({"kind": "delete", "rate": 0.5, "copies": 5, "seed": s}) for s in (1, 1, 2)]
    first, again, other = (augment(TRAIN, step)["text"].to_list() for step in steps)
    assert first == again != other


@pytest.mark.parametrize("kind", ["delete", "swap"])
@pytest.mark.parametrize("text", ["a", "这", "one two", "  ", "", "很 好!"])
def test_a_text_is_never_emptied(kind: str, text: str) -> None:
    """Not even at rate 1."""
    assert (
        alter(text, AugmentationSpec.model_validate({"kind": kind, "rate": 1.0}), random.Random(0)).strip()
        or not text.strip()
    )


def test_units_are_words_or_characters() -> None:
    """At rate 1 every unit moves one place: the first ends last."""
    step = AugmentationSpec(kind="swap", rate=1.0)
    assert alter("one two three", step, random.Random(0)) == "two three one"
    assert alter("很好看", step, random.Random(0)) == "好看很"


def test_scripts_without_spaces_are_told_by_their_letters() -> None:
    """Chinese is, English is not."""
    assert has_no_spaces(["这本书很好看 ok"])
    assert not has_no_spaces(["a fine book 好"])
