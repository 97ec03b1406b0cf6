"""How stages follow from pipelines, and how they are written down."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kedro.pipeline import Node, Pipeline

from modelmill.errors import DeclarationError
from modelmill.versioning.dvc_yaml import OURS, _parameters, differing, rendered, write
from modelmill.versioning.given import Given
from modelmill.versioning.outputs import Datasets
from modelmill.versioning.plan import Declared, Stage, plan_stages

PARAMETERS: dict[str, Any] = {
    "p": {"training": {"seed": 0}, "gates": {"staging": []}, "pretraining": {"corpus": {"x": 1}, "seed": 2}},
    "project_root": "/somewhere",
}


def text(path: str, **more: Any) -> dict[str, Any]:
    """An entry of a catalog."""
    return {"type": "text.TextDataset", "filepath": path, **more}


CATALOG = {"{name}.raw": text("data/01_raw/{name}.txt"), "p.clean": text("data/clean.txt")}


def identity(*values: Any) -> Any:
    """A node's function."""
    return values


def node(inputs: Any, outputs: Any, stage: str | None = "p.first", name: str = "n") -> Node:
    """A node in a namespace."""
    return Node(identity, inputs, outputs, name=name, namespace=stage)


def plan(*nodes: Node, **catalog: Any) -> dict[str, Stage]:
    """The stages of some nodes."""
    no_code: Any = SimpleNamespace(closure=lambda modules: [])
    declared = Declared({**CATALOG, **catalog}, PARAMETERS, Given([], Path()), no_code)
    return plan_stages(Pipeline(list(nodes)), declared)


@pytest.mark.parametrize(
    ("nodes", "catalog", "message"),
    [
        ([node("p.raw", "m"), node("m", "p.clean", "p.second", "o")], {}, "entry with `filepath`"),
        ([node("p.raw", "p.clean")], {"p.clean": text("data/x", versioned=True)}, "`versioned: true`.*take it out"),
        ([node("p.raw", ["p.clean", "b"])], {"b": text("data/clean.txt")}, "give one of them another `filepath`"),
        ([node("p.raw", ["p.clean", "b"])], {"b": text("data/clean.txt/b")}, "lies in p.clean"),
        ([node("p.raw", "p.clean")], {"p.clean": text("../x")}, "put it below data/"),
        ([node("p.raw", "p.clean")], {"p.clean": text("/x")}, "put it below data/"),
        ([node("p.raw", "p.clean")], {"p.clean": text("s3://b/x")}, "'s3://b/x' is outside the project"),
        ([node("raw", "clean", None)], {}, "Give its pipeline `namespace=`"),
        ([node("p.raw", "p.clean")], {"p.clean": text("x", metadata={"dvc": "metric"})}, "write one of outs, metrics"),
        ([node("parameters", "p.clean")], {}, "name those it needs"),
        ([Node(partial(identity, 1), "p.raw", "p.clean", name="n", namespace="p.first")], {}, "give it as `params:"),
    ],
)  # fmt: skip
def test_what_cannot_be_versioned_is_refused_with_a_remedy(
    nodes: list[Node], catalog: dict[str, Any], message: str
) -> None:
    """Each in one line."""
    with pytest.raises(DeclarationError, match=message):
        plan(*nodes, **catalog)


def test_stages_come_after_those_that_they_read(tmp_path: Path) -> None:
    """In the order in which they run, not of their names; what stays in one stage is no input of it."""
    stages = plan(
        node("p.clean", "z", "p.a"), node("p.raw", "inside", "p.b"), node("inside", "p.clean", "p.b", "o"),
        z=text("data/z"),
    )  # fmt: skip
    assert list(stages) == ["p-b", "p-a"]
    assert stages["p-b"].inputs == ("data/01_raw/p.txt",)
    assert stages["p-a"].inputs == ("data/clean.txt",)
    assert stages["p-a"].command == "kedro run --namespaces p.a"


def test_datasets_lie_where_the_catalog_says() -> None:
    """`path` as well as `filepath`; two names of one file (`x@a`, `x@b`) are one file; a remote one stays as it is."""
    datasets = Datasets({"f": {"type": "t.D", "path": "data/./f"}, "r": text("s3://b/x")})
    assert datasets.files(["f", "r", "memory"]).keys() == {"data/f", "s3://b/x"}
    catalog = {
        "x@a": text("data/x"),
        "x@b": {"type": "pickle.PickleDataset", "filepath": "data/x"},
        "z": text("data/z"),
    }
    stages = plan(node("p.raw", "x@a", "p.a"), node("x@b", "z", "p.b", "o"), **catalog)
    assert [file.path for file in stages["p-a"].outputs] == list(stages["p-b"].inputs) == ["data/x"]


def test_only_what_a_result_follows_from_is_a_parameter() -> None:
    """No gates, no corpus and no tokenizer of a pretraining, no path of the machine, no secret."""
    secret = text("data/clean.txt", credentials={"key": "secret"}, dataset={"type": "t.D", "credentials": "secret"})
    stage = plan(
        node(["params:p", "params:project_root", "p.raw"], "p.clean"),
        node(["params:p.pretraining"], "z", "p.second", "o"),
        **{"p.clean": secret, "z": text("data/z")},
    )
    assert stage["p-first"].parameters["parameters"] == {
        "p": {key: value for key, value in PARAMETERS["p"].items() if key != "gates"}
    }
    assert stage["p-second"].parameters["parameters"] == {"p": {"pretraining": {"seed": 2}}}
    assert "secret" not in str(stage["p-first"])
    assert "somewhere" not in str(stage["p-first"])


def test_parts_and_wholes_come_together() -> None:
    """A stage that takes a section and, in another node, a part that the section leaves out, follows both."""
    stage = plan(node(["params:p.pretraining", "params:p.pretraining.corpus", "p.raw"], "p.clean"))["p-first"]
    assert stage.parameters["parameters"] == {"p": {"pretraining": {"seed": 2, "corpus": {"x": 1}}}}
    assert PARAMETERS["p"]["pretraining"] == {"corpus": {"x": 1}, "seed": 2}


def test_which_argument_is_which_dataset_is_followed() -> None:
    """Two inputs that change places are another pipeline, although their names come in the same order."""

    def joined(a: Any, b: Any) -> Any:
        return a, b

    one, other = (
        plan(Node(joined, {a: "p.raw", b: "y"}, "p.clean", name="n", namespace="p.first"), y=text("y"))["p-first"]
        for a, b in ("ab", "ba")
    )
    assert one.inputs == other.inputs
    assert one != other


@pytest.fixture
def stages() -> list[Stage]:
    """One stage."""
    return list(plan(node(["p.raw", "params:p.training"], "p.clean")).values())


THEIRS = """# Of the project.
vars:
- mine: 1
stages:
  # Before all.
  report:  # made by hand
    cmd: >-
      make
      report
    deps: [data/clean.txt]   # what the product made
  # The last one.
  other:
    cmd: |
      make other
# Of plots.
plots:
- data/curves.csv
"""


def test_what_a_person_wrote_in_dvc_yaml_stays(tmp_path: Path, stages: list[Stage]) -> None:
    """Every line: stages, comments, other keys; ours come, change and go in one place."""
    (tmp_path / "dvc.yaml").write_text(THEIRS)
    write(rendered(stages, tmp_path), tmp_path)
    both = (tmp_path / "dvc.yaml").read_text()
    assert list(yaml.safe_load(both)["stages"]) == ["sync", "p-first", "report", "other"]
    assert differing(rendered(stages, tmp_path), tmp_path) == []
    write(rendered([], tmp_path), tmp_path)
    text = (tmp_path / "dvc.yaml").read_text()
    assert "p-first" not in text
    assert [line for line in THEIRS.splitlines() if line not in text.splitlines()] == []
    (tmp_path / "dvc.yaml").write_text(both.replace("  # Before all.\n", "").replace("cmd: kedro run", "cmd: echo"))
    write(rendered(stages, tmp_path), tmp_path)
    assert (tmp_path / "dvc.yaml").read_text() == both.replace("  # Before all.\n", "")


def test_a_stage_of_a_person_may_follow_ours_with_its_comment(tmp_path: Path, stages: list[Stage]) -> None:
    """A comment above it is not lost when the stage before it is written anew."""
    write(rendered(stages, tmp_path), tmp_path)
    path = tmp_path / "dvc.yaml"
    path.write_text(path.read_text() + "  # Mine.\n  report:\n    cmd: make\nplots: []\n")
    before = path.read_text()
    write(rendered([], tmp_path), tmp_path)
    assert path.read_text().endswith("  # Mine.\n  report:\n    cmd: make\nplots: []\n")
    write(rendered(stages, tmp_path), tmp_path)
    assert path.read_text() == before


def test_parameters_of_a_stage_that_is_gone_go_and_others_stay(tmp_path: Path, stages: list[Stage]) -> None:
    """A file in params/ that a person put there is not ours to remove."""
    write(rendered(stages, tmp_path), tmp_path)
    (tmp_path / "params/mine.yaml").write_text("a: 1\n")
    assert (tmp_path / "params/p/first.yaml").is_file()
    assert write(rendered([], tmp_path), tmp_path) == ["dvc.yaml", "params/p/first.yaml"]
    assert [path.name for path in (tmp_path / "params").rglob("*.yaml")] == ["mine.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages:\n  p-first:\n    cmd: mine\n", "'p-first' has the name of one that is generated; rename it"),
        (
            "stages:\n  mine:\n    cmd: x\n    outs: [a, {data/clean.txt: {persist: true}}]\n",
            "dvc.yaml:2: the stage 'mine' writes data/clean.txt, as the generated 'p-first' does",
        ),
        ("- a\n", "expected keys such as `stages:` at the top"),
        ("stages: {mine: {cmd: x}}\n", "one stage on each line"),
        ("stages: [\n", "cannot be read"),
    ],
)
def test_a_dvc_yaml_that_ours_do_not_fit_into(tmp_path: Path, stages: list[Stage], text: str, message: str) -> None:
    """Nothing is written over."""
    (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(DeclarationError, match=message):
        rendered(stages, tmp_path)


def test_kinds_of_results_are_written_as_dvc_has_them(tmp_path: Path) -> None:
    """Metrics and plots go to Git, plots with their options; work is nothing that DVC hears of."""
    catalog = {
        "m": text("data/m.json", metadata={"dvc": "metrics"}), "w": text("data/w", metadata={"dvc": "work"}),
        "c": text("data/c.csv", metadata={"dvc": {"plots": {"x": "step"}}}),
    }  # fmt: skip
    stages = plan(node("p.raw", ["p.clean", "m", "w", "c"]), **catalog)
    entry = yaml.safe_load(rendered(stages.values(), tmp_path)["dvc.yaml"])["stages"]["p-first"]
    assert entry == {
        "cmd": "kedro run --namespaces p.first",
        "deps": ["data/01_raw/p.txt"],
        "params": [{"params/p/first.yaml": None}],
        "outs": ["data/clean.txt"],
        "metrics": [{"data/m.json": {"cache": False}}],
        "plots": [{"data/c.csv": {"cache": False, "x": "step"}}],
        "meta": OURS,
    }


@given(
    st.one_of(
        st.from_regex(r"[-+]?[0-9._]*[eE]?[-+]?[0-9]*", fullmatch=True),
        st.from_regex(r"0[ox]?[0-7]+", fullmatch=True),
        st.sampled_from(["yes", "null", "~", "", ".inf", "1e3", "08", "0o17", "2026-11-24", "1:30", "#", "- a", "{"]),
        st.text(),
    )
)
def test_dvc_reads_the_text_that_was_declared(value: str) -> None:
    """As text, and the same: PyYAML writes YAML 1.1, DVC reads 1.2, where `1e3` and `08` are numbers."""
    from ruamel.yaml import YAML

    stage = Stage("p-s", "p.s", (), (), (), (), {"parameters": {"p": {value or "k": value}}})
    text = _parameters(stage)
    assert YAML(typ="safe").load(text) == {"parameters": {"p": {value or "k": value}}}
