"""How long a light command takes, beside the same command in a Kedro project that has nothing in it.

The peer is Kedro itself: `kedro registry list` in a project of one empty pipeline. The ratio says what declarations,
specs and pipelines of this project add. A second pair is the report of a broken declaration, which reads no data.
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


def broken_project(folder: Path) -> Path:
    """This project's configuration with a misspelt key in a product."""
    for name in ("conf", "pyproject.toml", ".telemetry"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "src").mkdir()
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
        (Path(temporary) / "broken").mkdir()
        bare, broken = bare_project(Path(temporary) / "bare"), broken_project(Path(temporary) / "broken")
        kedro(bare, "registry", "list")
        kedro(ROOT, "registry", "list")
        seconds = alternating(
            {
                "bare Kedro, registry list": lambda: kedro(bare, "registry", "list"),
                "modelmill, registry list": lambda: kedro(ROOT, "registry", "list"),
                "modelmill, a broken product": lambda: kedro(broken, "run", code=2),
            },
            rounds,
        )
    for name, values in seconds.items():
        print(f"{name:<32} {spread(values)['median']:8.2f} s   [{min(values):.2f}, {max(values):.2f}]")
    peer, ours, report = seconds.values()
    found = {"registry_list_vs_bare_kedro": ratios(peer, ours), "error_report_vs_bare_kedro": ratios(peer, report)}
    write_result(
        "start_up", {"rounds": rounds, "seconds": {k: spread(v) for k, v in seconds.items()}}, found, ["kedro"]
    )


if __name__ == "__main__":
    main()
