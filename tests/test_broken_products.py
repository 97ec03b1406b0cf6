"""Twenty-odd ways to break a product, each met with one clear error, or with rejects that say why."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.conftest import TINY_PRODUCT, Project, write_reviews

DATA = "data/01_raw/reviews"
Break = Callable[[Project], object]


def edit(old: str, new: str, file: str = "conf/base/products/mood.yml") -> Break:
    """Replace text in a file of the project."""

    def change(project: Project) -> None:
        path = project.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"the test's own mistake: {old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def table(header: str, rows: list[str], declared: str = "data/01_raw/mood.csv") -> Break:
    """Declare a CSV source and write it."""

    def change(project: Project) -> None:
        project.declare("products", {"mood": {**TINY_PRODUCT["mood"], "source": {"files": declared}}})
        (project.root / "data/01_raw/mood.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")

    return change


def lines(count: int, start: int = 0) -> list[str]:
    """Rows of a good CSV file."""
    return [
        f"{i},text number {i} {'good' if i % 2 else 'bad'},{'pos' if i % 2 else 'neg'}" for i in range(start, count)
    ]


def append(name: str, data: bytes) -> Break:
    """Append bytes to a source file."""

    def change(project: Project) -> None:
        with (project.root / DATA / name).open("ab") as stream:
            stream.write(data)

    return change


def replace_source(text: bytes) -> Break:
    """Put other bytes into pos.txt."""
    return lambda project: (project.root / DATA / "pos.txt").write_bytes(text)


def remove_sources(project: Project) -> None:
    """Delete the source files."""
    for path in (project.root / DATA).iterdir():
        path.unlink()


def wrong_digest(project: Project) -> None:
    """Declare a SHA-256 that the file does not have."""
    source = {"files": f"{DATA}/{{label}}.txt", "sha256": {"pos.txt": "0" * 64}}
    project.declare("products", {"mood": {**TINY_PRODUCT["mood"], "source": source}})


def evil_pickle(project: Project) -> None:
    """A pickle that would run a command."""
    (project.root / "data/01_raw/mood.pkl").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    project.declare("products", {"mood": {**TINY_PRODUCT["mood"], "source": {"files": "data/01_raw/mood.pkl"}}})


def truncated_parquet(project: Project) -> None:
    """A parquet file that ends in its middle."""
    path = project.root / "data/01_raw/mood.parquet"
    pl.DataFrame({"text": ["a"] * 100, "label": ["x"] * 100}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-60])
    project.declare("products", {"mood": {**TINY_PRODUCT["mood"], "source": {"files": "data/01_raw/mood.parquet"}}})


def jsonl(rows: list[str]) -> Break:
    """A JSON-lines source."""

    def change(project: Project) -> None:
        (project.root / "data/01_raw/mood.jsonl").write_text("\n".join(rows), encoding="utf-8")
        project.declare("products", {"mood": {**TINY_PRODUCT["mood"], "source": {"files": "data/01_raw/mood.jsonl"}}})

    return change


MOOD = "conf/base/products/mood.yml"

ERRORS: dict[str, tuple[Break, list[str]]] = {
    "unknown key": (
        edit("  tokenization:", "  tokenisation:"),
        [f"{MOOD}:7: mood.tokenisation: unknown key", "did you mean 'tokenization'?"],
    ),
    "wrong type": (
        edit("max_epochs: 4", "max_epochs: many"),
        [f"{MOOD}:10: mood.training.max_epochs: input should be a valid integer", "got 'many'"],
    ),
    "value out of range": (
        edit("max_epochs: 4", "max_epochs: 0"),
        [f"{MOOD}:10: mood.training.max_epochs: input should be greater than or equal to 1, got 0"],
    ),
    "missing key": (edit("  backbone: tiny\n", ""), [f"{MOOD}:1: mood.backbone: this key is missing; add it"]),
    "unknown task": (
        edit("text_classification", "text_clasification"),
        [f"{MOOD}:3: mood.task: 'text_clasification' is not known", "expected one of text_classification"],
    ),
    "unknown backbone": (
        edit("backbone: tiny", "backbone: tinny"),
        [f"{MOOD}:6: mood.backbone: unknown backbone 'tinny'", "did you mean 'tiny'?"],
    ),
    "unknown metric": (
        edit("metric: macro_f1", "metric: makro_f1"),
        ["text_classification has no metric 'makro_f1'", "did you mean 'macro_f1'?"],
    ),
    "split that is not whole": (
        edit("  gates:", "  split: {train: 0.9, validation: 0.1, test: 0.1}\n  gates:"),
        ["mood.split: train + validation + test must be 1"],
    ),
    "key twice": (edit("  backbone: tiny", "  backbone: tiny\n  backbone: tiny"), ["this key stands twice"]),
    "invalid YAML": (edit("  task:", "  task: ["), [f"{MOOD}:", "this is not valid YAML"]),
    "a list where a section is meant": (
        lambda project: (project.root / MOOD).write_text("mood:\n  - 1\n"),
        [f"{MOOD}:1: mood: expected a section with keys below it"],
    ),
    "declaration not in UTF-8": (
        lambda project: (project.root / MOOD).write_bytes("mood:\n  description: 情感\n".encode("gb18030")),
        [f"{MOOD}:2: this is not UTF-8; save the file as UTF-8"],
    ),
    "missing file": (remove_sources, [f"{MOOD}:5: mood.source[0].files", "there is no such file", "Put the file"]),
    "missing package": (
        edit(f"files: {DATA}", "files: package://no_such_package"),
        [f"{MOOD}:5: mood.source[0].files", "no Python package 'no_such_package' is installed"],
    ),
    "unknown format": (edit("{label}.txt", "{label}.docx"), ["cannot tell the format", "add `format:`"]),
    "unknown encoding": (edit("{label}.txt", "{label}.txt\n    encoding: utf9"), ["'utf9' is not an encoding"]),
    "wrong encoding": (
        replace_source("good\n很好看的书\n".encode("gb18030")),
        [f"{DATA}/pos.txt:2: byte 0xba is not utf-8", "`encoding: gb18030` would read it"],
    ),
    "wrong file": (wrong_digest, ["'pos.txt' is not the declared file", "expected SHA-256 000"]),
    "empty table": (
        lambda project: [replace_source(b"")(project), (project.root / DATA / "neg.txt").write_bytes(b"\n\n")],
        ["the source holds no records; check `source.files`"],
    ),
    "a label with one example": (
        replace_source("只有这一条 the only one\n".encode()),
        ["too few clean records of a label: 'pos' has 1", "`contract.min_per_label` is 10"],
    ),
    "one label only": (
        lambda project: (project.root / DATA / "pos.txt").unlink(),
        ["a classification needs two labels or more", "only 'neg'"],
    ),
    "unknown label": (
        edit("  gates:", "  contract: {labels: [pos, meh]}\n  gates:"),
        ["120 of 240 records (50.0%) break the contract", f"{DATA}/neg.txt:1: label is none of pos, meh"],
    ),
    "missing column": (
        table("id,review,label", lines(40)),
        ["data/01_raw/mood.csv:1: no column 'text' for the text; the file has: id, review, label", "columns: {text:"],
    ),
    "row with too many fields": (
        table("id,text,label", [*lines(40), "40,a text, with a comma,pos"]),
        ["data/01_raw/mood.csv:42: 4 fields where the first row has 3", "Mend the row"],
    ),
    "broken JSON": (
        jsonl(['{"text": "a", "label": "x"}', '{"text": "b", ']),
        ["data/01_raw/mood.jsonl:2: this is not JSON", "mend or remove the line"],
    ),
    "pickle that runs code": (evil_pickle, ["refused to open this pickle", "it wants to load os.system"]),
    "truncated parquet": (truncated_parquet, ["data/01_raw/mood.parquet: this is not a readable parquet file"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_one_clear_error(project: Project, case: str) -> None:
    """The error names the place and the remedy, there is no traceback, and nothing is left half done."""
    breaking, expected = ERRORS[case]
    breaking(project)
    done = project.kedro("run", "--pipelines", "data_cleaning", check=False)
    printed = done.stdout + done.stderr
    assert done.returncode in (1, 2)
    for text in expected:
        assert text in printed
    assert "Traceback" not in printed
    assert "╭" not in printed  # nor one drawn by rich
    assert not list(project.root.rglob("*.part"))
    assert not (project.root / "pwned").exists()
    assert not (project.root / "data/03_primary/mood").exists()


def test_a_missing_lexicon_stops_before_anything_runs(project: Project) -> None:
    """What only a later stage reads is named with its line at once; a run without that stage does not ask for it."""
    edit("  gates:", "  augmentation: [{kind: synonym, rate: 0.2, lexicon: data/words.txt}]\n  gates:")(project)
    done = project.kedro("run", "--pipelines", "mood", check=False)
    assert done.returncode == 2
    assert f"{MOOD}:17: mood.augmentation[0]: data/words.txt: there is no such file" in done.stderr
    assert not (project.root / "data/01_raw/mood").exists()
    project.kedro("run", "--pipelines", "data_cleaning")


REJECTS: dict[str, tuple[Break, str, int]] = {
    "duplicate ids": (table("id,text,label", [*lines(60), "7,another text with the id 7,pos"]), "id occurs before", 1),
    "missing text": (table("id,text,label", [*lines(60), "60,,pos"]), "text is missing", 1),
    "NaN text": (
        jsonl(
            [
                *(json.dumps({"text": f"text {i}", "label": "ab"[i % 2]}) for i in range(60)),
                '{"text": NaN, "label": "a"}',
            ]
        ),
        "text is missing",
        1,
    ),
    "missing label": (table("id,text,label", [*lines(60), "60,a text without a label,"]), "label is missing", 1),
    "10 MB line": (append("pos.txt", b"x" * 10_000_000 + b"\n"), "too_long", 1),
    "only invisible characters": (append("pos.txt", "\u200b\u200b\ufeff\n".encode()), "empty", 1),
    "duplicate text": (append("pos.txt", b"one more\nONE  MORE\n"), "duplicate", 1),
    "contradiction": (
        lambda project: [append(f"{label}.txt", b"said of both\n")(project) for label in ("pos", "neg")],
        "the same text has several labels",
        2,
    ),
}


@pytest.mark.parametrize("case", REJECTS)
def test_rejected_with_a_reason(project: Project, case: str) -> None:
    """The record is in the rejects with step, reason and origin; every record is accounted for."""
    breaking, reason, count = REJECTS[case]
    breaking(project)
    project.kedro("run", "--namespaces", "mood.data_cleaning")
    rejects = pl.read_parquet(project.root / "data/02_intermediate/mood/rejects.parquet")
    assert rejects.filter(pl.col("reason") == reason).height == count == rejects.height
    report = project.json("data/08_reporting/mood/cleaning.json")
    assert report["in"] == report["out"] + report["rejected"]
    clean = pl.read_parquet(project.root / "data/02_intermediate/mood/clean.parquet")
    assert clean.height == report["out"]


def test_the_cases_are_many_and_distinct() -> None:
    """At least twenty broken products are tried (a guard against an emptied table)."""
    assert len(ERRORS) + len(REJECTS) >= 20


def test_the_fixture_itself_is_not_broken(tmp_path: Path) -> None:
    """The reviews are distinct and the declaration is what the cases edit."""
    write_reviews(tmp_path)
    texts = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert len(texts) == len(set(texts)) == 240
    assert yaml.safe_load(yaml.safe_dump(TINY_PRODUCT)) == TINY_PRODUCT
