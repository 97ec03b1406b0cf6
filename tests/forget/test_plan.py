"""What to do follows from what was found."""

from typing import Any

from modelmill.forget.plan import to_do
from modelmill.forget.result import FolderVerdict, Holder, Row, TableRows, VersionVerdict

BACKBONE_OF = {"mood": "tiny", "peer": "tiny", "news": "bought"}
REMOVE = "Remove it at the source, from the last line up, or the next run brings it back"


def holder(name: str, kind: Any = "product", **found: Any) -> Holder:
    """A product or backbone with what was found, else nothing."""
    return Holder(
        **{"name": name, "kind": kind, "ids": [], "alike": {}, "tables": [], "folders": [], "versions": [], **found}
    )


def table(name: str, *origins: str) -> TableRows:
    """A table with rows of these lines."""
    return TableRows(name, f"data/{name}.parquet", [Row("a", origin) for origin in origins])


def version(number: str, verdict: Any, splits: list[str] | None, backbone: Any = "did not see it") -> VersionVerdict:
    """A version of mood."""
    return VersionVerdict(
        "mood", number, ["candidate"] if number == "3" else [], "r", "models:/m", verdict, splits, False, backbone
    )


def steps(
    *holders: Holder, identity: str = "a", made: set[str] | None = None, env: str | None = None
) -> dict[str, list[str]]:
    """What to do, with what; everything is made by a pipeline unless it is said otherwise."""
    names = {table.name for h in holders for table in h.tables} | {folder.name for h in holders for folder in h.folders}
    found = to_do(identity, list(holders), BACKBONE_OF, names if made is None else made, env)
    return {step.do.removesuffix(":"): step.items for step in found}


def test_nothing_found_is_nothing_to_do() -> None:
    """No step without something to do it to."""
    assert steps(holder("mood"), holder("tiny", "backbone")) == {}


def test_lines_are_removed_from_the_last_one_up() -> None:
    """So the numbers of the others stay right; the raw table is the one that says where they are."""
    raw = table("mood.raw", "b.txt:9", "a.txt:2", "a.txt:10", "images/1.png")
    found = steps(holder("mood", tables=[raw, table("mood.train", "b.txt:8")]))
    assert found[REMOVE] == ["a.txt:10", "a.txt:2", "b.txt:9", "images/1.png"]
    assert steps(holder("mood", tables=[table("mood.train", "b.txt:8")]))[REMOVE] == ["b.txt:8"]


def test_lines_of_several_products_may_be_of_several_people() -> None:
    """The step says that one must look; products that read the same line have the same record."""
    for line, note in (
        ("b.txt:1", "; ids are unique within one product only, so look whose each line is"),
        ("a.txt:1", ""),
    ):
        both = (holder("mood", tables=[table("mood.raw", "a.txt:1")]), holder("news", tables=[table("news.raw", line)]))
        assert next(iter(steps(*both))) == f"{REMOVE}{note}"


def test_products_are_made_again_with_all_that_stands_on_their_backbone() -> None:
    """A peer whose backbone read it too; a backbone comes with its product; alone, it is named itself."""
    mood = holder("mood", tables=[table("mood.train")])
    again = "Make again what holds it"
    assert steps(mood)[again] == ["kedro run --pipelines mood"]
    held_out = holder("tiny", "backbone", tables=[table("tiny.held_out")])
    assert steps(mood, held_out)[again] == ["kedro run --pipelines mood"]
    read = holder("tiny", "backbone", tables=[table("tiny_corpus")])
    assert steps(mood, read, env="long")[again] == ["kedro run --pipelines mood,peer --env long"]
    assert steps(held_out)[again] == ["kedro run --pipelines tiny"]


def test_what_no_pipeline_makes_again_is_deleted_by_hand() -> None:
    """A control that is no longer declared, and all of a product that is not."""
    control = FolderVerdict("mood.random_start_model", "data/control", "saw it")
    unseen = FolderVerdict("mood.tokens", "data/tokens", "did not see it")
    mood = holder("mood", tables=[table("mood.raw")], folders=[control, unseen])
    old = holder("old", "not declared", tables=[table("old.raw")])
    found = steps(mood, old, made={"mood.raw"})
    assert found["Delete by hand, for no declared pipeline makes it again"] == ["data/old.raw.parquet", "data/control"]
    assert found["Make again what holds it"] == ["kedro run --pipelines mood"]


def test_versions_are_retired_decided_about_or_looked_into() -> None:
    """By what they saw; one that saw nothing is not named."""
    versions = [
        version("1", "cannot tell", None),
        version("2", "did not see it", []),
        version("3", "saw it", ["train"], "saw it"),
        version("4", "did not see it", ["test"]),
        version("5", "cannot tell", ["validation"], "cannot tell"),
    ]
    gone = FolderVerdict("mood.model", "data/model", "cannot tell", "did not see it")
    found = steps(holder("mood", versions=versions, folders=[gone]))
    assert found == {
        "Retire these versions": ["mood 3 (candidate): trained on it, its backbone read it (run r, files models:/m)"],
        "Decide about these versions: they did not learn from it, but were chosen or measured by it": [
            "mood 4: tested on it (run r, files models:/m)"
        ],
        "Find out about these, for what is on disk cannot tell": [
            "data/model: what it was made from has changed since, or is not there",
            "mood 1: has no list of record ids (run r, files models:/m)",
            "mood 5: validated on it, what its backbone read is not on disk any more (run r, files models:/m)",
        ],
    }


def test_other_records_of_the_person_are_to_be_asked_for() -> None:
    """Near duplicates, and the record that a copy's or a corpus row's id is made of."""
    ask = (
        "Ask for these too, if they are the same person's: nearly the same text, one that holds the other, or the "
        "record of this copy"
    )
    assert steps(holder("mood", alike={"d e": "similarity 0.9"}))[ask] == ["kedro product forget 'd e'"]
    for identity in ("b+swap1", "12:b"):
        assert steps(holder("mood"), identity=identity)[ask] == ["kedro product forget b"]
