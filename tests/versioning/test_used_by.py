"""From data to the versions that were made from it."""

import json
import sys
from pathlib import Path

import pytest

from modelmill.errors import DataError
from modelmill.registry.state import State, fold
from modelmill.versioning.used_by import in_project, silent, uses_of
from tests.registry.stages import registered, spec_of
from tests.versioning.conftest import Versioned


def state(*data: dict[str, dict[str, str]]) -> State:
    """Versions 1, 2, ... that were made from so much."""
    return fold([registered(i).model_copy(update=one) for i, one in enumerate(data, 1)], spec_of())


STATES = {
    "mood": state(
        {},
        {"given": {"data/01_raw/reviews": "old.dir"}, "made": {"data/03_primary/mood/test.parquet": "t"}},
        {"given": {"data/01_raw/reviews": "new.dir", "package://x/y": "p"}},
    ),
    "news": state({"given": {"data/01_raw/reviews_2": "n.dir"}}),
}


def found(asked: str) -> list[tuple[str, int, str, bool | None]]:
    """Uses, where the reviews are those of now and all else is gone."""
    uses = uses_of(asked, STATES, {"data/01_raw/reviews": "new.dir"}.get)
    return [(one.name, one.version, one.path, one.same) for one in uses]


REVIEWS = [("mood", 3, "data/01_raw/reviews", True), ("mood", 2, "data/01_raw/reviews", False)]


@pytest.mark.parametrize("asked", ["data/01_raw/reviews", "data/01_raw/reviews/pos.txt"])
def test_a_folder_or_a_file_in_it(asked: str) -> None:
    """Newest version first, with whether its content is that of now; a longer name is another folder."""
    assert found(asked) == REVIEWS


def test_a_folder_above_and_other_addresses() -> None:
    """All below it; of what is no file of the project nobody says what it is now."""
    assert found("data/01_raw") == [*REVIEWS, ("news", 1, "data/01_raw/reviews_2", False)]
    assert found("data/03_primary/mood/test.parquet") == [("mood", 2, "data/03_primary/mood/test.parquet", False)]
    assert found("package://x/y") == [("mood", 3, "package://x/y", None)]
    assert found("data/01_raw/else") == []


def test_versions_of_which_the_ledger_says_nothing_are_named() -> None:
    """They may have been made from anything."""
    assert silent(STATES) == {"mood": [1]}


def test_paths_are_from_where_the_command_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of the project, too; outside of it nothing is known."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    assert in_project("x/../01_raw", tmp_path) == "data/01_raw"
    assert in_project("package://x/y", tmp_path) == "package://x/y"
    with pytest.raises(DataError, match="outside the project"):
        in_project("../../x", tmp_path)


def test_a_version_answers_both_ways(committed: Versioned) -> None:
    """Its ledger names the reviews that DVC tracks; from a file of them, in a folder below, back to the version."""
    shown = json.loads(committed.kedro("model", "show", "mood@1", "--json").stdout)["data"]
    tracked = committed.yaml("data/01_raw/reviews.dvc")["outs"][0]["md5"]
    assert shown["given"] == {"data/01_raw/reviews": tracked}
    assert shown["given"] | shown["made"] == committed.json("data/08_reporting/mood/lineage.json")["data"]
    (use,) = json.loads(committed.kedro("dvc", "used-by", "data/01_raw/reviews/pos.txt", "--json").stdout)["versions"]
    assert (use["name"], use["version"], use["hash"], use["same"]) == ("mood", 1, tracked, True)
    below = ("env", "-C", str(committed.root / "data/01_raw"), sys.executable, "-m", "kedro")
    (line,) = [line for line in committed.run(*below, "dvc", "used-by", "reviews").stdout.splitlines() if "@" in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "mood@1", "candidate", "data/01_raw/reviews", tracked, "yes",
    ]  # fmt: skip
    unknown = committed.kedro("dvc", "used-by", "data/01_raw/reveiws", check=False)
    assert unknown.returncode == 6
    assert "neither there nor known to the ledger" in unknown.stderr
