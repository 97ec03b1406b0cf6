"""Start-up, layers and sizes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from modelmill.config import ProductConfigLoader
from modelmill.pipelines import all_pipelines
from modelmill.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT, Project

HEAVY = ("torch", "transformers", "pytorch_lightning", "numba", "mlflow", "kornia")
SOURCES = sorted((ROOT / "src/modelmill").rglob("*.py"))


LOOKING = [["registry", "list"], ["product", "list"], ["product", "show", "mood"], ["model", "list"]]
"""`model show` and `history` need something to show: tests/cli/test_process.py."""


@pytest.mark.parametrize("command", LOOKING)
def test_commands_that_only_look_import_nothing_heavy(project: Project, command: list[str]) -> None:
    """torch, transformers, lightning, mlflow, numba and kornia stay out of a command that lists."""
    code = (
        "import sys\nfrom kedro.framework.cli.cli import main\n"
        f"sys.argv = ['kedro', *{command}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project.root, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["heavy: []"], done.stdout + done.stderr


def test_the_listed_pipelines(project: Project) -> None:
    """One pipeline per product, backbone and stage."""
    listed = project.kedro("registry", "list").stdout
    for name in ("__default__", "mood", "tiny", "data_cleaning", "fine_tuning", "registration"):
        assert f"- {name}\n" in listed


SESSION = """
import sys
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
bootstrap_project(sys.argv[1])
for options in ({}, {"env": "long"}, {"runtime_params": {"mood": {"evaluation": {"random_start": False}}}}):
    with KedroSession.create(project_path=sys.argv[1], **options) as session:
        session.load_context()
        print("control:", any("random_start" in node.name for node in pipelines["mood"].nodes))
"""


def test_the_pipelines_follow_environment_and_command_line(project: Project) -> None:
    """A control that base declares, and `--env` or `--params` takes back, is not in the session's pipelines."""
    project.declare("products", {"mood": {"evaluation": {"random_start": False}}}, env="long")
    command = [sys.executable, "-c", SESSION, str(project.root)]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True)
    found = [line for line in done.stdout.splitlines() if line.startswith("control:")]
    assert found == ["control: True", "control: False", "control: False"]


def test_files_and_functions_stay_small() -> None:
    """Files under 300 lines, functions under 40 (docstrings not counted)."""
    assert len(SOURCES) > 40
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") < 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
                assert node.end_lineno - node.lineno + 1 - docstring <= 40, f"{path}: {node.name}"


def test_every_module_and_public_thing_says_what_it_is() -> None:
    """Docstrings on modules, public classes and public functions."""
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"


@pytest.fixture
def real() -> ProductConfigLoader:
    """The real project's declarations."""
    return ProductConfigLoader(str(ROOT / "conf"), **CONFIG_LOADER_ARGS)


def test_a_product_is_one_box_of_pipelines(real: ProductConfigLoader) -> None:
    """Namespaces are `<product>.<pipeline>`, and no two boxes need each other (kedro-viz could not draw that)."""
    pipelines = all_pipelines(real.declarations)
    boxes = {node.namespace for node in pipelines["__default__"].nodes}
    stages = ["augmentation", "data_cleaning", "evaluation", "fine_tuning", "registration", "tokenization"]
    assert {f"review_sentiment.{stage}" for stage in stages} <= boxes
    order = [node.namespace.split(".")[0] for node in pipelines["review_sentiment"].nodes]
    assert set(order) == {"zh_small", "review_sentiment"}
    of_product = pipelines["review_sentiment"].only_nodes_with_namespaces(["review_sentiment"])
    of_backbone = pipelines["review_sentiment"].only_nodes_with_namespaces(["zh_small"])
    assert not of_backbone.inputs() & of_product.outputs()
    assert not of_backbone.inputs() & of_product.all_inputs() - {n for n in of_backbone.inputs() if "params:" in n}


def test_every_dataset_is_a_declared_file(real: ProductConfigLoader) -> None:
    """No boundary lives in memory alone: each dataset resolves by the catalog's patterns to a path under data/."""
    from kedro.io import DataCatalog

    catalog = DataCatalog.from_config(real["catalog"])
    names = [n for n in all_pipelines(real.declarations)["__default__"].datasets() if not n.startswith("params:")]
    assert len(names) > 50
    paths = [str(catalog.get(name)._describe()["filepath"]) for name in names]
    assert all(path.startswith("data/") for path in paths)
    assert len(set(paths)) == len(paths)


def test_test_data_is_read_at_the_end_only(real: ProductConfigLoader) -> None:
    """The test split enters evaluation and registration (its hash, the input example), and nothing before."""
    for node in all_pipelines(real.declarations)["__default__"].nodes:
        if any(name.endswith(".test") for name in node.inputs):
            assert node.namespace.split(".")[1] in ("evaluation", "registration"), node.name


def test_telemetry_is_off() -> None:
    """Consent is withheld."""
    assert Path(ROOT / ".telemetry").read_text().strip() == "consent: false"
