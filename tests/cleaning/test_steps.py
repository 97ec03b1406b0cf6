"""Reserved texts, benchmarks and ids: what must not be trained on, and what must not be guessed."""

from pathlib import Path

import polars as pl
import pytest

from modelmill.cleaning.clean import clean_corpus
from modelmill.cleaning.repeats import Repeats
from modelmill.cleaning.steps import Reserved
from modelmill.database import database
from modelmill.errors import DataError
from modelmill.records import RECORD
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec, NearDuplicatesSpec, PrivacySpec
from modelmill.specs.source import Sources
from tests.cleaning.test_clean import NONE, STORY, clean, corpus, records

HELD_OUT = records((STORY[0], "x"), ("今年第三季度销量大幅增长", "y"))


def test_a_near_duplicate_of_a_held_out_text_never_reaches_a_corpus() -> None:
    """Exact, in other case, held by a longer text, with a word changed: each says which record it gives away."""
    edited = " ".join(["other", *STORY[0].split()[1:]])
    raw = records(
        (STORY[0].upper(), None), (edited, None), ("快讯:今年第三季度销量大幅增长。详情见下", None), (STORY[1], None)
    )  # fmt: skip
    kept, rejects, report = corpus(raw, HELD_OUT)
    assert kept["text"].to_list() == [STORY[1]]
    assert rejects["detail"].to_list()[0::2] == ["is or holds r0", "is or holds r1"]
    assert rejects["detail"][1].startswith("nearly repeats r0, similarity 0.")
    assert report["steps"][2] == {"step": "held_out", "in": 4, "out": 1, "rejected": {"held out by a product": 3}}


def test_labels_mean_nothing_in_a_corpus() -> None:
    """Records of products have labels, others none: they still repeat each other, exactly or nearly."""
    spec = CleaningSpec(near_duplicates=NearDuplicatesSpec())
    products = records((STORY[4], "x"), (f"{STORY[4]} more", "y"))
    kept, rejects, _ = corpus(records((f"{STORY[4]} still", None), (STORY[4].upper(), None)), NONE, spec, products)
    assert kept["id"].to_list() == ["0:r0"]
    assert sorted(rejects["reason"]) == ["duplicate", "near duplicate", "near duplicate"]


@pytest.mark.parametrize("name", ["it's here", "br[1]", "id=5", "100%"])
def test_a_folder_may_be_called_so(tmp_path: Path, name: str) -> None:
    """A quote, what could be a wildcard or a column: nothing is lost for the project's name."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "a.txt").write_text("\n".join(f"text number {i}" for i in range(20)) + "\nTEXT number 3\n")
    root = str(tmp_path / name)
    raw, _ = read_sources(Sources.model_validate({"files": "a.txt"}), CleaningSpec(), root)
    kept, rejects, _ = clean_corpus(raw, NONE, NONE, CleaningSpec(), root)
    assert (kept.height, rejects.read()["reason"].to_list()) == (20, ["duplicate"])


def test_a_folder_that_duckdb_cannot_open(tmp_path: Path) -> None:
    """One message, before anything is read."""
    with pytest.raises(DataError, match="rename the project's folder"), database(tmp_path / "what?", 100):
        pass


@pytest.mark.parametrize("kind", ["distinct", "equal", "contradictory"])
def test_a_small_budget_suffices(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """300,000 records within 128 MB, also where a machine has sixteen cores."""
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    places = pl.int_range(300_000, eager=True)
    text = pl.format("text {}", {"distinct": places, "equal": places * 0, "contradictory": places // 2}[kind])
    label = pl.Series(["x", "y"] * 150_000) if kind == "contradictory" else pl.lit("x")
    table = pl.select(pl.format("r{}", places).alias("id"), text.alias("text"), label.alias("label"))
    with Repeats(tmp_path, CleaningSpec(memory_mb=128), labelled=True) as repeats:
        for batch in table.iter_slices(10_000):
            repeats.add(batch)
        steps = list(repeats.find())
        found = sum(sum(repeats.counts(step).values()) for step in steps)
    assert found == {"distinct": 0, "equal": 299_999, "contradictory": 300_000}[kind]


def test_too_small_a_budget_is_said(tmp_path: Path) -> None:
    """Not DuckDB's own error, but the key to raise."""
    with pytest.raises(DataError, match=r"Raise `cleaning\.memory_mb`"), database(tmp_path, 8) as connection:
        connection.execute("SELECT list(range) FROM range(10000000)").fetchall()


def test_nothing_reserved_takes_nothing() -> None:
    """An empty table of reserved texts."""
    step = Reserved("held_out", "why", pl.DataFrame(schema=RECORD), NearDuplicatesSpec())
    assert step(HELD_OUT).kept.equals(HELD_OUT)


def test_records_that_repeat_a_benchmark_are_rejected(tmp_path: Path) -> None:
    """A file that models are judged by is declared; its texts, and what nearly repeats them, are not trained on."""
    pl.DataFrame({"question": [STORY[2], None]}).write_csv(tmp_path / "bench.csv")
    source = {"files": str(tmp_path / "bench.csv"), "columns": {"text": "question"}}
    spec = CleaningSpec.model_validate({"benchmarks": source})
    raw = records((f"{STORY[2]} indeed", "x"), (STORY[3], "y"))
    for kept, rejects, _ in (clean(raw, spec=spec), corpus(raw, HELD_OUT.clear(), spec)):
        assert kept["text"].to_list() == [STORY[3]]
        assert rejects["reason"].to_list() == ["text of a benchmark"]


def test_ids_are_keyed_where_personal_data_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another key the id is another one; with the same it stays: nobody without the key can try texts."""
    (tmp_path / "a.txt").write_text("call 13812345678\ncall  13812345678\n")

    def ids(spec: CleaningSpec, key: str) -> list[str]:
        monkeypatch.setenv("TEST_KEY", key * 10)
        return read_sources(Sources.model_validate({"files": "a.txt"}), spec, str(tmp_path))[0].read()["id"].to_list()

    private = CleaningSpec(privacy=PrivacySpec(key="TEST_KEY"))
    plain, one, other = ids(CleaningSpec(), "one"), ids(private, "one"), ids(private, "other")
    assert len({plain[0], one[0], other[0]}) == 3
    assert ids(private, "one") == one
    assert [identity.partition("-")[2] for identity in one] == ["", "2"]


def test_equal_texts_are_numbered_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third record of a text is `<id>-3`, also when the first one was written long ago; a given id stays."""
    monkeypatch.setattr("modelmill.tables.BATCH_ROWS", 2)
    (tmp_path / "a.jsonl").write_text(
        "".join(f'{{"text": "same", "id": {i}}}\n' for i in ("null", "7", "null", "7", "null"))
    )
    found = read_sources(Sources.model_validate({"files": "a.jsonl"}), CleaningSpec(), str(tmp_path))[0].read()["id"]
    assert found.to_list() == [found[0], "7", f"{found[0]}-2", "7", f"{found[0]}-3"]
