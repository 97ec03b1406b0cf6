"""Bad input through `kedro run`: what is wrong is said, and what lies on disk is whole, the former or the new."""

import gzip
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.conftest import TINY_PRODUCT, Project, make_project

ROWS = [(f"text number {i} is {'good' if i % 2 else 'bad'}", "pos" if i % 2 else "neg") for i in range(120)]


def table(rows: list[tuple[str, str]], separator: str = ",") -> str:
    """A file with a header."""
    return "".join(f"{separator.join(row)}\n" for row in [("text", "label"), *rows])


def parquet(rows: list[tuple[str, str]]) -> bytes:
    """A parquet file."""
    stream = io.BytesIO()
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_parquet(stream)
    return stream.getvalue()


def jsonl(rows: list[tuple[str, str]]) -> bytes:
    """JSON lines."""
    return pl.DataFrame(rows, schema=["text", "label"], orient="row").write_ndjson().encode()


@dataclass(frozen=True)
class Case:
    """A source that is broken: its ending, its bytes, what the message must say (after its name where it begins so)."""

    ending: str
    data: bytes
    expected: list[str]
    declared: dict[str, Any] = field(default_factory=dict)


GOOD = table(ROWS)
ENDLESS = gzip.compress(jsonl(ROWS)) + gzip.compress(b"x" * (1 << 20)) * 1024
OPEN = GOOD.replace("text number 70", '"text number 70')

UNREADABLE = {
    "invalid_utf8": Case("csv", GOOD.encode().replace(b"number 70", b"number \xff70"), [":72: byte 0xff is not utf-8"]),
    "utf16": Case("csv", GOOD.encode("utf-16"), [":1: byte 0xff is not utf-8", "`encoding: utf-16` would read it"]),
    "utf16_without_mark": Case("csv", GOOD.encode("utf-16-le"), [":1: NUL characters", "`encoding: utf-16-le`"]),
    "cut_gzip": Case("csv.gz", gzip.compress(GOOD.encode())[:-20], [": this gzip archive is damaged or cut off"]),
    "cut_parquet": Case("parquet", parquet(ROWS)[:-20], [": this is not a readable parquet file"]),
    "many_fields": Case("csv", GOOD.replace("number 70", "number, 70").encode(), [":72: 3 fields where the first row"]),
    "few_fields": Case(
        "csv", GOOD.replace("70 is bad,neg", "70 is bad").encode(), [":72: 1 fields where the first row"]
    ),
    "semicolons": Case("csv", table(ROWS, ";").encode(), [":1: the header looks separated by ';'"]),
    "open_quote": Case("csv", OPEN.encode(), [":72: nothing closes the quoted field that begins here"]),
    "endless_line": Case("jsonl.gz", ENDLESS, [":121: this line is longer than 64 million characters"]),
    "no_bytes": Case("csv", b"", [":1: the file is empty; a header line with the column names was expected"]),
}
UNUSABLE = {
    "no_rows": Case("csv", table([]).encode(), ["the source holds no records; check `source.files`"]),
    "no_lines": Case("jsonl", b"\n", ["the source holds no records; check `source.files`"]),
    "against_the_contract": Case(
        "csv", GOOD.replace("pos", "meh").replace("neg", "meh").encode(),
        ["120 of 120 records (100.0%) break the contract", ":2: label is none of pos, neg"],
        {"contract": {"labels": ["pos", "neg"]}},
    ),
}  # fmt: skip
AGAINST_THE_RULES = Case(
    "csv", GOOD.replace("text number", "\u200b").encode(), ["after cleaning there is no record at all"],
    {"cleaning": {"min_chars": 12}},
)  # fmt: skip
CASES = UNREADABLE | UNUSABLE | {"against_the_rules": AGAINST_THE_RULES}

RUN = """
import shutil, sys
from kedro.framework.cli.cli import main
for step in sys.argv[1:]:
    product, case = step.split(":")
    shutil.copy(f"declared/{product}_{case}.yml", f"conf/base/products/{product}.yml")
    sys.argv = ["kedro", "run", "--namespaces", f"{product}.data_cleaning"]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    sys.stderr.flush()
    print(f"=== {step} {code}", flush=True)
    shutil.copytree("data", f"after/{product}_{case}")
"""


@dataclass(frozen=True)
class Outcome:
    """What `kedro run` printed, and the files that it left of its product."""

    code: int
    printed: str
    files: dict[str, bytes]


def declare(project: Project, product: str, case: str, ending: str, declared: dict[str, Any]) -> None:
    """A declaration that reads the case's file, to be put in place before its run."""
    source = {"files": f"data/01_raw/{case}.{ending}"}
    shared = {key: TINY_PRODUCT["mood"][key] for key in ("task", "backbone")}
    text = yaml.safe_dump({product: {**shared, "source": source, "split": {"near_duplicates": None}, **declared}})
    (project.root / "declared" / f"{product}_{case}.yml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a declaration of `mood` for each source, and one of `new`."""
    project = make_project(tmp_path_factory.mktemp("disk") / "project")
    (project.root / "declared").mkdir()
    (project.root / "conf/base/products/mood.yml").unlink()
    (project.root / "data/01_raw/good.csv").write_text(GOOD)
    declare(project, "mood", "good", "csv", {})
    for name, case in CASES.items():
        (project.root / f"data/01_raw/{name}.{case.ending}").write_bytes(case.data)
        for product in ("mood", "new"):
            declare(project, product, name, case.ending, case.declared)
    return project


@pytest.fixture(scope="module")
def outcomes(project: Project) -> dict[str, Outcome]:
    """`kedro run` in one process, one after another: `mood` on a good source, then on each broken one, then `new`.

    `new` has never run on a good source.
    """
    steps = ["mood:good", *(f"mood:{name}" for name in CASES), *(f"new:{name}" for name in CASES)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *steps],
        cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
        env={**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    found, printed = {}, ""
    for line in done.stdout.splitlines(keepends=True):
        if not line.startswith("=== "):
            printed += line
            continue
        _, step, code = line.split()
        folder = project.root / "after" / step.replace(":", "_")
        found[step] = Outcome(int(code), printed, contents(folder, step.partition(":")[0]))
        printed = ""
    assert found["mood:good"].code == 0, found["mood:good"].printed
    return found


def contents(data: Path, product: str) -> dict[str, bytes]:
    """Every file of a product, hidden ones too."""
    paths = [path for folder in data.glob(f"*/{product}") for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in paths}


def beyond(stage: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of later layers."""
    return {path: data for path, data in files.items() if path > stage + "~"}


def rows(data: bytes) -> pl.DataFrame:
    """A table that was saved."""
    return pl.read_parquet(io.BytesIO(data))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("product", ["mood", "new"])
def test_one_message_and_no_leftovers(outcomes: dict[str, Outcome], product: str, name: str) -> None:
    """The message names the place, there is no traceback, and nothing half-written lies beside the files."""
    outcome = outcomes[f"{product}:{name}"]
    assert outcome.code == 1
    for text in CASES[name].expected:
        place = f"data/01_raw/{name}.{CASES[name].ending}" if text.startswith(":") else ""
        assert place + text in outcome.printed
    assert "Traceback" not in outcome.printed
    assert not [path for path in outcome.files if "/." in path]


def test_scratch_files_are_gone(project: Project, outcomes: dict[str, Outcome]) -> None:
    """And no hidden file is left anywhere once the process has ended."""
    assert len(outcomes) == 1 + 2 * len(CASES)
    files = [path.relative_to(project.root) for path in project.root.glob("data/**/*") if path.is_file()]
    assert files
    assert not [path for path in files if any(part.startswith(".") for part in path.parts)]


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_changes_nothing(outcomes: dict[str, Outcome], name: str) -> None:
    """Former data stay as they were, to the byte; where there were none, not even the records before the broken one."""
    assert len(outcomes["mood:good"].files) >= 8
    assert outcomes[f"mood:{name}"].files == outcomes["mood:good"].files
    assert outcomes[f"new:{name}"].files == {}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_changes_no_clean_data(outcomes: dict[str, Outcome], name: str) -> None:
    """The raw records may be the new ones, all of them; what cleaning made before stays, to the byte."""
    former, after = outcomes["mood:good"].files, outcomes[f"mood:{name}"].files
    assert rows(after["01_raw/mood/records.parquet"]).height in (0, 120)
    assert len(beyond("01_raw", former)) >= 7
    assert beyond("01_raw", after) == beyond("01_raw", former)
    assert beyond("01_raw", outcomes[f"new:{name}"].files) == {}


@pytest.mark.parametrize("product", ["mood", "new"])
def test_all_rejected_is_all_in_the_rejects(outcomes: dict[str, Outcome], product: str) -> None:
    """Rules that leave nothing: each record is in the rejects with its reason, and no split is made of nothing."""
    files = outcomes[f"{product}:against_the_rules"].files
    report = json.loads(files[f"08_reporting/{product}/cleaning.json"])
    assert (report["in"], report["out"], report["rejected"]) == (120, 0, 120)
    rejects = rows(files[f"02_intermediate/{product}/rejects.parquet"])
    assert rejects["reason"].value_counts().rows() == [("too_short", 120)]
    assert rejects["origin"].to_list() == [f"data/01_raw/against_the_rules.csv:{line}" for line in range(2, 122)]
    assert rows(files[f"02_intermediate/{product}/clean.parquet"]).is_empty()
    splits = {path: data for path, data in files.items() if path.startswith("03_primary")}
    former = outcomes["mood:good"].files
    assert splits == ({path: former[path] for path in splits} if product == "mood" else {})
    assert len(splits) == (4 if product == "mood" else 0)
