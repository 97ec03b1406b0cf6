"""How long a light command takes, beside the same command in a Kedro project that has nothing in it.

The peer is Kedro itself: `kedro registry list` in a project of one empty pipeline. The ratio says what declarations,
specs and pipelines of this project add. Other pairs are the report of a broken declaration, which reads no data, and
`kedro model list` and `kedro model show` of a registry with one version in SQLite.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from _common import alternating, ratios, spread, write_result

ROOT = Path(__file__).parents[1]
MODEL = "review_sentiment"
PYPROJECT = """[tool.kedro]
package_name = "bare"
project_name = "bare"
kedro_init_version = "1.7.0"
source_dir = "src"
"""
REGISTRY = (
    "from kedro.pipeline import Pipeline\n\ndef register_pipelines():\n    return {'__default__': Pipeline([])}\n"
)


def bare_project(folder: Path) -> Path:
    """The least that Kedro accepts as a project."""
    package = folder / "src/bare"
    package.mkdir(parents=True)
    for env in ("base", "local"):
        (folder / "conf" / env).mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / ".telemetry").write_text("consent: false\n")
    (package / "__init__.py").touch()
    (package / "settings.py").touch()
    (package / "pipeline_registry.py").write_text(REGISTRY)
    return folder


def configured_project(folder: Path) -> Path:
    """This project's configuration without its data."""
    folder.mkdir()
    for name in ("conf", "pyproject.toml", ".telemetry"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "src").mkdir()
    return folder


def registry_project(folder: Path) -> Path:
    """The same with a version in the registry."""
    from modelmill.config import ProductConfigLoader
    from modelmill.registry.desk import Desk
    from modelmill.registry.events import Registered
    from modelmill.settings import CONFIG_LOADER_ARGS

    loader = ProductConfigLoader(str(configured_project(folder) / "conf"), **CONFIG_LOADER_ARGS)
    desk = Desk(loader.mlflow, loader.registry)
    desk.writer.create_model(MODEL)
    version = desk.writer.add_version(MODEL, "elsewhere://here/files", {}, "")
    event = Registered(actor="benchmark", version=version, digest="0" * 64, files="0" * 64, run_id=None)
    desk.act(MODEL, lambda _: event)
    return folder


def broken_project(folder: Path) -> Path:
    """The same configuration with a misspelt key in a product."""
    configured_project(folder)
    product = folder / "conf/base/products/review_sentiment.yml"
    product.write_text(product.read_text(encoding="utf-8").replace("  training:", "  trainning:"), encoding="utf-8")
    return folder


def kedro(folder: Path, *arguments: str, code: int = 0) -> None:
    """Run a command and see that it ends as it should."""
    done = subprocess.run(
        [sys.executable, "-m", "kedro", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr


def main() -> None:
    """Time the pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 10")
    rounds = 3 if parser.parse_args().quick else 10
    with tempfile.TemporaryDirectory() as temporary:
        bare, broken = bare_project(Path(temporary) / "bare"), broken_project(Path(temporary) / "broken")
        registry = registry_project(Path(temporary) / "registry")
        kedro(bare, "registry", "list")
        kedro(ROOT, "registry", "list")
        seconds = alternating(
            {
                "bare Kedro, registry list": lambda: kedro(bare, "registry", "list"),
                "modelmill, registry list": lambda: kedro(ROOT, "registry", "list"),
                "modelmill, a broken product": lambda: kedro(broken, "run", code=2),
                "modelmill, model list": lambda: kedro(registry, "model", "list"),
                "modelmill, model show": lambda: kedro(registry, "model", "show", MODEL),
            },
            rounds,
        )
    for name, values in seconds.items():
        print(f"{name:<32} {spread(values)['median']:8.2f} s   [{min(values):.2f}, {max(values):.2f}]")
    peer, *ours = seconds.values()
    names = ("registry_list", "error_report", "model_list", "model_show")
    found = {f"{name}_vs_bare_kedro": ratios(peer, side) for name, side in zip(names, ours, strict=True)}
    write_result(
        "start_up", {"rounds": rounds, "seconds": {k: spread(v) for k, v in seconds.items()}}, found, ["kedro"]
    )


if __name__ == "__main__":
    main()
