"""Cleaning: every record is accounted for, whatever its text."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmill.cleaning.clean import clean_corpus, clean_product
from modelmill.cleaning.split import split_records
from modelmill.cleaning.steps import Rules
from modelmill.cleaning.text import is_spam
from modelmill.errors import DataError
from modelmill.records import RECORD
from modelmill.specs.cleaning import CleaningSpec, LanguagesSpec, NearDuplicatesSpec
from modelmill.specs.source import ContractSpec
from modelmill.specs.split import SplitSpec
from modelmill.tables import store
from modelmill.text import duplicate_key


def records(*rows: tuple[str | None, str | None]) -> pl.DataFrame:
    """Records r0, r1, ... of (text, label)."""
    table = [(f"r{i}", text, label, f"file:{i + 1}") for i, (text, label) in enumerate(rows)]
    return pl.DataFrame(table, schema=RECORD, orient="row")


NONE, PLAIN = pl.DataFrame(schema=RECORD), CleaningSpec()


def any_label(rows: list[tuple[str | None, str | None]]) -> bool:
    """A source without any label is refused as a whole."""
    return any(label for _, label in rows)


LOOSE = ContractSpec(min_per_label=3, max_reject=1.0)
Result = tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]


def clean(raw: pl.DataFrame, contract: ContractSpec = LOOSE, spec: CleaningSpec = PLAIN) -> Result:
    """`clean_product` on a table in memory."""
    with TemporaryDirectory() as root:
        kept, rejects, report = clean_product(store(raw, Path(root) / "raw.parquet"), contract, spec, root)
        return kept.read(), rejects.read(), report


def corpus(
    raw: pl.DataFrame, held_out: pl.DataFrame, spec: CleaningSpec = PLAIN, products: pl.DataFrame = NONE
) -> Result:
    """`clean_corpus` on tables in memory."""
    with TemporaryDirectory() as root:
        stored = store(raw, Path(root) / "raw.parquet")
        kept, rejects, report = clean_corpus(stored, products, held_out, spec, root)
        return kept.read(), rejects.read(), report


nasty = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["", " ", "\u200b", "Ａ", "a\u0301", "é", "ﬁ"]
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(nasty | st.none(), st.sampled_from(["x", "y", None])), min_size=1, max_size=60).filter(
        any_label
    ),
    st.integers(1, 7),
)
def test_in_is_out_plus_rejected(rows: list[tuple[str | None, str | None]], batch: int) -> None:
    """For every step and in all; ids stay unique, order stays, no two kept texts are the same; batches do not show."""
    raw = records(*rows)
    spec = CleaningSpec(near_duplicates=NearDuplicatesSpec())
    kept, rejects, report = clean(raw, LOOSE, spec)
    given = raw.height
    for step in report["steps"]:
        assert step["in"] == given == step["out"] + sum(step["rejected"].values())
        given = step["out"]
    assert (report["in"], report["out"], report["rejected"]) == (raw.height, kept.height, rejects.height)
    assert sorted([*kept["id"], *rejects["id"]]) == sorted(raw["id"])
    assert kept["id"].to_list() == [i for i in raw["id"] if i in set(kept["id"])]
    assert len({duplicate_key(text) for text in kept["text"]}) == kept.height
    originals = dict(raw.select("id", "text").iter_rows())
    assert all(originals[i] == text for i, text in rejects.filter(step="contract").select("id", "text").iter_rows())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modelmill.tables.BATCH_ROWS", batch)
        again, rejects_again, report_again = clean(raw, LOOSE, spec)
    assert (again.equals(kept), report_again) == (True, report)
    assert rejects_again.sort("id").equals(rejects.sort("id"))


def test_duplicates_keep_the_first() -> None:
    """Case and blanks do not make another text."""
    kept, rejects, _ = clean(records(("Good book", "x"), ("good BOOK", "x"), ("other", "x")))
    assert kept["id"].to_list() == ["r0", "r2"]
    assert rejects.select("id", "step", "reason", "detail").rows() == [("r1", "duplicates", "duplicate", "of r0")]


@pytest.mark.parametrize("rows", [2, 100])
def test_an_id_that_occurs_before_is_a_reject(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Also in a later batch, where the first one is out of sight; what the record itself lacks is said first."""
    monkeypatch.setattr("modelmill.tables.BATCH_ROWS", rows)
    raw = records(*((f"text {i}", "x") for i in range(5)), ("text 5", None))
    kept, rejects, _ = clean(raw.with_columns(id=pl.Series(["a", "b", "c", "a", "a", "b"])))
    assert kept["id"].to_list() == ["a", "b", "c"]
    assert rejects["reason"].to_list() == ["id occurs before", "id occurs before", "label is missing"]


RNG = random.Random(0)
STORY = [" ".join(f"word{RNG.randrange(9000)}" for _ in range(60)) for _ in range(60)]


def test_near_duplicates_keep_the_first() -> None:
    """One word in sixty makes a near duplicate; the books say of which record and how near."""
    raw = records((STORY[0], "x"), (STORY[0] + " more", "x"), (STORY[1], "y"), ("short", "y"))
    kept, rejects, report = clean(raw, LOOSE, CleaningSpec(near_duplicates=NearDuplicatesSpec()))
    assert kept["id"].to_list() == ["r0", "r2", "r3"]
    assert rejects.select("id", "reason").rows() == [("r1", "near duplicate")]
    assert rejects["detail"].item().startswith("of r0, similarity 0.9")
    assert report["steps"][-1] == {"step": "near_duplicates", "in": 4, "out": 3, "rejected": {"near duplicate": 1}}


def test_near_duplicates_of_other_labels_stay() -> None:
    """Shingles have no marks, and a mark may be all that tells two labels apart."""
    raw = records(("see you tomorrow then :)", "x"), ("see you tomorrow then :(", "y"))
    kept, _, _ = clean(raw, LOOSE, CleaningSpec(near_duplicates=NearDuplicatesSpec()))
    assert kept.height == 2


def test_nothing_left_is_no_crash() -> None:
    """All records are rejected by the contract; the rules then have none to judge."""
    raw = records((None, None))
    kept, rejects, _ = corpus(raw, NONE, CleaningSpec.model_validate({"preset": "web"}))
    assert kept.is_empty()
    assert rejects.height == 1


def test_quality_rules_see_the_lines() -> None:
    """Line feeds are blanks after normalisation, so the rules are given the text as it came."""
    raw = records((f"{STORY[0]} the end of that", "x"), ("- one of the points\n" * 30, "x"))
    kept, rejects = Rules(CleaningSpec(rules=["gopher_quality"]))(raw)
    assert kept["id"].to_list() == ["r0"]
    assert rejects["reason"].to_list() == ["gopher: over 90% of the lines are bullet points"]


def test_contradictions_take_all_sides_out() -> None:
    """Neither label of a text that has two can be trusted."""
    kept, rejects, _ = clean(records(("same", "x"), ("Same", "y"), ("other", "x"), ("same", "y")))
    assert kept["id"].to_list() == ["r2"]
    assert set(rejects["reason"]) == {"the same text has several labels"}
    assert rejects["detail"].to_list() == ["of r1, labelled y", "of r0, labelled x", "of r0, labelled x"]


def test_spam_needs_more_than_a_telephone_number() -> None:
    """A complaint with a number stays; an advertisement with sales words and contact goes."""
    texts = [
        "厂家批发优惠,咨询微信:abc12345 电话13812345678",
        "我打了客服电话 13812345678 三次都没有人接",
        "The customer service was slow.",
    ]
    assert pl.Series("text", texts).to_frame().select(is_spam(pl.col("text")))["text"].to_list() == [True, False, False]


def test_held_out_texts_never_reach_the_corpus() -> None:
    """A validation or test text of a product is rejected, also when it is written otherwise."""
    raw = records(("the held out text", None), ("corpus text", None))
    held_out = records(("The held out TEXT", "x"))
    kept, rejects, _ = corpus(raw, held_out)
    assert kept["text"].to_list() == ["corpus text"]
    assert rejects["reason"].to_list() == ["held out by a product"]


def test_a_corpus_text_that_quotes_a_held_out_text_is_rejected() -> None:
    """A news text often begins with its headline; a headline of ten characters or more must not be read with it."""
    raw = records(("今年第三季度销量大幅增长。正文在此", None), ("很好的一天", None))
    held_out = records(("今年第三季度销量大幅增长", "x"), ("很好", "x"))
    kept, rejects, _ = corpus(raw, held_out)
    assert kept["text"].to_list() == ["很好的一天"]  # two characters stand anywhere by chance
    assert rejects["text"].to_list() == ["今年第三季度销量大幅增长。正文在此"]


def test_ids_of_different_sources_do_not_clash_in_a_corpus() -> None:
    """Two products number their records from 0; no text is lost for that."""
    kept, rejects, _ = corpus(records(("one", None)), NONE, products=records(("two", "x")))
    assert sorted(kept["text"]) == ["one", "two"]
    assert rejects.is_empty()


def test_a_declared_label_without_records_stops() -> None:
    """`contract.labels` names it, no record has it: that is said, not trained over."""
    many = records(*[(f"text {i}", "xy"[i % 2]) for i in range(100)])
    with pytest.raises(DataError, match="'z' has 0"):
        split_records(many, SplitSpec(), ContractSpec(labels=["x", "y", "z"]))


def test_a_source_without_labels_says_how_to_name_them() -> None:
    """A CSV whose label column has another name: not 'widen the contract'."""
    with pytest.raises(DataError, match=r"no record has a label. Name the column"):
        clean(records(("one", None), ("two", None)))


def test_a_broken_contract_stops_with_examples() -> None:
    """More rejects than declared: the message gives the share and one example of each kind."""
    raw = records(*[(f"text {i}", "x") for i in range(8)], (None, "x"), ("a", None))
    with pytest.raises(DataError, match=r"2 of 10 records \(20.0%\)") as caught:
        clean(raw, ContractSpec(max_reject=0.1))
    assert "file:9: text is missing" in caught.value.message
    assert "file:10: label is missing" in caught.value.message


def test_another_seed_draws_another_split() -> None:
    """And the same seed the same one."""
    many = records(*[(f"text {i}", "xy"[i % 2]) for i in range(300)])
    first, again, other = (split_records(many, SplitSpec(seed=seed), LOOSE)[2]["id"].to_list() for seed in (1, 1, 2))
    assert first == again != other


def test_c4_keeps_lines_and_the_first_reason_counts() -> None:
    """What C4 leaves of a page is what is kept, and what later rules judge; an empty text is called empty."""
    page = "One is here. Two is there! Is three?\nHome\nFour says yes.\nFive ends it."
    raw = records((page, "x"), ("{", "x"), (" ", "x"))
    kept, rejects = Rules(CleaningSpec(rules=["c4"], languages=LanguagesSpec(allowed=["en"])))(raw)
    assert kept["text"].to_list() == ["One is here. Two is there! Is three? Four says yes. Five ends it."]
    assert rejects["reason"].to_list() == ["c4: fewer than 5 sentences in lines that are worth keeping", "empty"]


def test_presets_are_defaults() -> None:
    """A preset says what the keys are that are not given; a key that is given wins."""
    web = CleaningSpec.model_validate({"preset": "web", "max_chars": 500})
    assert web.rules == ["c4", "gopher_quality", "gopher_repetition"]
    assert (web.max_chars, web.drop_spam) == (500, True)
    assert web.near_duplicates == NearDuplicatesSpec()
    assert CleaningSpec.model_validate(web.model_dump()) == web
    assert CleaningSpec().rules == []


def test_planted_leaks_are_found() -> None:
    """Exact, in other case, with another mark or word: no training text is left that a held-out one repeats."""
    stories = [(text, "xy"[i % 2]) for i, text in enumerate(STORY)]
    spellings = [STORY[i].upper() for i in range(20)], [f"{STORY[i]}!" for i in range(20, 40)]
    edits = [f"one {STORY[i]} more" for i in range(40, 60)]
    copies = [(text, "xy"[i % 2]) for i, text in enumerate([*spellings[0], *spellings[1], *edits])]
    cleaned, _, _ = clean(records(*stories, *copies))
    *parts, rejects = split_records(cleaned, SplitSpec(train=0.5, validation=0.25, test=0.25), LOOSE)
    assert rejects.height > 5
    assert set(rejects["reason"]) == {"near duplicate of a held-out record"}
    story = {f"r{i}": i % 60 for i in range(120)}
    train, *held_out = ({story[identity] for identity in part["id"]} for part in parts)
    assert not train & set().union(*held_out)
    assert sum(part.height for part in parts) + rejects.height == cleaned.height
    leaky = split_records(cleaned, SplitSpec(train=0.5, validation=0.25, test=0.25, near_duplicates=None), LOOSE)
    assert leaky[3].is_empty()
    assert {story[i] for i in leaky[0]["id"]} & {story[i] for part in leaky[1:3] for i in part["id"]}
