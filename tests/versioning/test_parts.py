"""What a stage is made of: code, what comes from outside, differences, and the journal."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from modelmill.errors import DataError
from modelmill.versioning.changes import Change, parameter_changes
from modelmill.versioning.code import Imports
from modelmill.versioning.given import Address, Given
from modelmill.versioning.journal import Journal


@pytest.fixture
def imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Imports:
    """A package in which `a` needs `inner.b` in a function, and `typed` for its types alone."""
    package = tmp_path / "src/toy_package"
    (package / "inner").mkdir(parents=True)
    for name, text in {
        "__init__": "", "inner/__init__": "", "inner/b": "import json\n", "typed": "", "alone": "",
        "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy_package import typed\n\n"
        "def f():\n    from toy_package.inner import b\n",
    }.items():  # fmt: skip
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    yield Imports("toy_package", tmp_path)
    for name in [name for name in sys.modules if name.startswith("toy_package")]:
        del sys.modules[name]


def test_a_function_needs_what_its_module_imports(imports: Imports) -> None:
    """Imports in functions count, those for types do not; `__init__` of each package above is needed, too."""
    names = ["__init__", "a", "inner/__init__", "inner/b"]
    assert imports.closure(["toy_package.a", "polars"]) == [f"src/toy_package/{name}.py" for name in names]
    assert imports.closure(["polars"]) == []


def test_a_digest_stands_for_files_of_a_package(imports: Imports, tmp_path: Path) -> None:
    """One byte changes it; so does a file more. What is not there is 'missing', what a hub has is 'hub'."""
    data = tmp_path / "src/toy_package/data"
    data.mkdir()
    (data / "x.txt").write_text("1")
    address = "package://toy_package/data/*.txt"
    seen = [only(tmp_path, address).digest]
    (data / "x.txt").write_text("2")
    seen.append(only(tmp_path, address).digest)
    (data / "y.txt").write_text("")
    seen.append(only(tmp_path, address).digest)
    assert len({*seen}) == 3
    assert all(digest and len(digest) == 64 for digest in seen)
    assert only(tmp_path, "package://toy_package/nothing/*.txt") == Address(
        "package://toy_package/nothing/*.txt", digest="missing"
    )
    assert only(tmp_path, "hf://datasets/a/b").digest == "hub"


def test_a_folder_is_watched_whole_unless_results_lie_in_it(tmp_path: Path) -> None:
    """Then each file is watched; one that is missing there keeps nobody from planning."""
    (tmp_path / "data").mkdir()
    for name in ("x.txt", "y.txt", "made.parquet"):
        (tmp_path / "data" / name).touch()
    assert only(tmp_path, "data/*.txt").paths == ("data",)
    assert only(tmp_path, "data/x.txt").paths == ("data/x.txt",)
    assert only(tmp_path, "data/*.txt", "data/made.parquet").paths == ("data/x.txt", "data/y.txt")
    assert only(tmp_path, "data/*.csv", "data/made.parquet") == Address("data/*.csv", digest="missing")


def test_addresses_below_a_section(tmp_path: Path) -> None:
    """`source` is not `source_of_all`."""
    given = Given([("p.source.0.files", "a"), ("p.source_of_all", "b")], tmp_path)
    assert [one.name for one in given.below("p.source")] == ["a"]
    assert [one.name for one in given.below("p")] == ["a", "b"]


def only(root: Path, address: str, *made: str) -> Address:
    """The one address below a section."""
    (found,) = Given([("product.source.0.files", address)], root, frozenset(made)).below("product.source")
    return found


def test_differences_are_named_key_by_key() -> None:
    """Nested keys and places in lists with old and new value; a key that came or went; an empty value."""
    old = {"parameters": {"p": {"a": 1, "b": [1, 2], "gone": None, "empty": {}}}, "nodes": {"n": {"function": "f"}}}
    new = {"parameters": {"p": {"a": 2, "b": [1, 3], "empty": {"k": 0}}}, "nodes": {"n": {"function": "g"}}}
    assert list(map(str, parameter_changes(old, new))) == [
        "pipeline n.function: f -> g",
        "parameter p.a: 1 -> 2",
        "parameter p.b.1: 2 -> 3",
        "parameter p.gone: - -> -",
        "parameter p.empty: {} -> -",
        "parameter p.empty.k: - -> 0",
    ]
    assert str(Change("output", "data/x", "old", "deleted")) == "output data/x (deleted)"


NESTED: Any = st.recursive(
    st.none() | st.integers(0, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=6,
)


@for_all(NESTED, NESTED)
def test_there_is_a_difference_if_and_only_if_the_values_differ(one: Any, other: Any) -> None:
    """However nested."""
    found = list(parameter_changes({"parameters": {"p": one}}, {"parameters": {"p": other}}))
    assert bool(found) is (one != other)


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    """With what to do."""
    path = tmp_path / ".dvc/tmp/modelmill/p-s.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(DataError, match=r"p-s\.json is damaged .* delete it"):
        Journal(tmp_path, "p-s", {})


def test_a_journal_is_of_what_a_stage_followed(tmp_path: Path) -> None:
    """A node has finished while its stage follows from the same and its results are as they were; not in memory."""
    journal = Journal(tmp_path, "p-s", {"seed": 0})
    journal.note("n", {"data/x": "1"})
    journal.note("memory", {"m": None})
    again = Journal(tmp_path, "p-s", {"seed": 0})
    assert again.finished("n", {"data/x": "1"})
    assert not again.finished("n", {"data/x": "2"})
    assert not again.finished("memory", {"m": None})
    assert not Journal(tmp_path, "p-s", {"seed": 1}).finished("n", {"data/x": "1"})
    again.forget()
    assert not Journal(tmp_path, "p-s", {"seed": 0}).finished("n", {"data/x": "1"})
