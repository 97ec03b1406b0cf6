"""The training split and its altered copies."""

from pathlib import Path
from random import Random

import polars as pl

from modelmill.augmentation.copies import copy_id, plan_copies
from modelmill.augmentation.rewrite import rewrite
from modelmill.augmentation.text import Sources, alter
from modelmill.augmentation.units import split_units, words_of
from modelmill.errors import SourceError
from modelmill.sources.address import local_path
from modelmill.sources.lines import text_lines
from modelmill.specs.augmentation import Augmentations, AugmentationSpec

VOCABULARY = 100_000
"""Units of the training texts that are drawn from: the first ones, as often as they occur."""

PREVIEW = {"id": pl.String, "label": pl.String, "before": pl.String, "after": pl.String}


def augment(train: pl.DataFrame, steps: Augmentations, root: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add altered copies; validation and test records are never seen here.

    Args:
        train: training records.
        steps: what was declared; every step alters the original records, not the copies of other steps.
        root: the project's folder, where relative addresses start.

    Returns:
        the training records and, after them, their copies with ids `<id>+<kind><number>`, without those that came out
        as the original is (a text of one word has nothing to swap); and a table to look at, with columns `PREVIEW`:
        some copies of each step beside their originals.

    Raises:
        SourceError: for a lexicon or a model that cannot be read.
    """
    plan = plan_copies(train["label"].to_list(), [(step.kind, step.copies) for step in steps.root])
    tables = [train, *(_copies(train, step, Path(root), rows) for step, rows in zip(steps.root, plan, strict=True))]
    before = train.select("id", before="text")
    previews = [
        table.head(5).with_columns(original=pl.col("id").str.replace(r"\+[a-z]+\d+$", "")).join(
            before, left_on="original", right_on="id", maintain_order="left"
        )
        for table in tables[1:]
    ]  # fmt: skip
    shown = [table.select("id", "label", "before", after="text") for table in previews]
    return pl.concat(tables), pl.concat([pl.DataFrame(schema=PREVIEW), *shown])


def _copies(train: pl.DataFrame, step: AugmentationSpec, root: Path, rows: list[tuple[int, int]]) -> pl.DataFrame:
    """The copies of one step; `rows` are row and number of each."""
    chosen = train[[row for row, _ in rows]].with_columns(
        pl.Series("id", [copy_id(train["id"][row], step.kind, number) for row, number in rows], dtype=pl.String)
    )
    if step.kind == "rewrite":
        texts = rewrite(chosen["text"].to_list(), step, root)
    else:
        sources = _sources(train, step, root)
        texts = [
            alter(text, step, Random(f"{step.seed}:{identity}"), sources[label])
            for identity, text, label in chosen.select("id", "text", "label").iter_rows()
        ]
    return (
        chosen.with_columns(pl.Series("copy", texts, dtype=pl.String))
        .filter(pl.col("copy") != pl.col("text"))
        .with_columns(text="copy")
        .drop("copy")
    )


def _sources(train: pl.DataFrame, step: AugmentationSpec, root: Path) -> dict[str, Sources]:
    """By label, what the step draws from."""
    units: list[str] = []
    if step.kind == "replace":
        for text in train["text"].shuffle(step.seed):  # records often come label by label
            found = split_units(text)
            units += [found[place] for place in words_of(found)]
            if len(units) >= VOCABULARY:
                break
    synonyms = read_lexicon(step.lexicon, root) if step.lexicon else {}
    peers: dict[str, list[str]] = {label: [] for label in train["label"]}
    if step.kind == "mix":
        for text, label in train.select("text", "label").iter_rows():
            peers[label].append(text)
    longest = max((len(split_units(word)) for word in synonyms), default=0)
    return {label: Sources(units, synonyms, longest, texts) for label, texts in peers.items()}


def read_lexicon(address: str, root: Path) -> dict[str, list[str]]:
    """Words, in lower case, to those that can stand for them: a line of the file names a set, parted by tabs or commas.

    A blank parts words too, where a line has neither tab nor comma.
    """
    path = local_path(address, root)
    if not path.is_file():
        raise SourceError(f"{address}: there is no such lexicon; correct `augmentation.lexicon`.")
    synonyms: dict[str, list[str]] = {}
    for line in text_lines(path, address, "utf-8"):
        mark = next((mark for mark in "\t," if mark in line), None)
        words = [word.strip() for word in line.split(mark) if word.strip()]
        for word in words:
            others = [other for other in words if other != word]
            synonyms[word.lower()] = synonyms.get(word.lower(), []) + others
    return synonyms
