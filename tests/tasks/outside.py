"""A package that adds a kind of task, laid where Python finds it: the example of docs/how-to/kinds-of-task.md."""

import re
import tomllib
from pathlib import Path

from tests.conftest import ROOT

BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def install(folder: Path) -> Path:
    """Write the example's files, and what an installer writes of its pyproject.toml."""
    files = dict(BLOCK.findall((ROOT / "docs/how-to/kinds-of-task.md").read_text(encoding="utf-8")))
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (point,) = project["entry-points"]["modelmill.tasks"].items()
    distribution(folder, project["name"], point, project["version"])
    return folder


def distribution(folder: Path, name: str, point: tuple[str, str], version: str = "1.0") -> None:
    """The `.dist-info` of a package with one entry point."""
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "entry_points.txt").write_text(f"[modelmill.tasks]\n{point[0]} = {point[1]}\n")
