"""What the process gets in which a version is built again."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from modelmill.errors import NotFoundError, RegistryError
from modelmill.registry.lineage import installed_packages
from modelmill.registry.reproduce.environment import (
    environment_of,
    machine_differences,
    make_environment,
    package_differences,
    present_machine,
)
from modelmill.registry.reproduce.processes import Logged

MANY = (os.cpu_count() or 1) + 1
"""Threads of a machine with one core more than this one."""

MACHINE: dict[str, Any] = {"device": "cpu", "threads": MANY, "instructions": "AVX2"}


def test_the_process_computes_as_the_versions_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads, no GPU, the worktree's source before all other; and no address of this project's MLflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.com")
    monkeypatch.setenv("KEDRO_ENV", "production")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    found = environment_of(Path("there"), MACHINE, present={**MACHINE, "instructions": "AVX512"})
    assert found["PYTHONPATH"] == f"there/src{os.pathsep}elsewhere"
    assert (found["OMP_NUM_THREADS"], found["CUDA_VISIBLE_DEVICES"]) == (str(MANY), "")
    assert not {"MLFLOW_TRACKING_URI", "KEDRO_ENV"} & found.keys()


@pytest.mark.parametrize(
    ("then", "now", "asked"), [("AVX2", "AVX512", "avx2"), ("AVX512", "AVX512", None), ("AVX512", "AVX2", None)]
)
def test_a_smaller_instruction_set_is_asked_for(then: str, now: str, asked: str | None) -> None:
    """A larger one than the processor has cannot be: then the answer says that it differs."""
    found = environment_of(Path("there"), {**MACHINE, "instructions": then}, present={"instructions": now})
    assert found.get("ATEN_CPU_CAPABILITY") == asked


def test_what_cannot_be_set_is_a_difference() -> None:
    """A larger set, a GPU that is not here, another Python; threads and smaller sets are no matter."""
    then = {"device": "cpu", "threads": 4, "instructions": "AVX2", "python": "3.11.7"}
    now = {"device": "H100", "threads": 2, "instructions": "AVX512", "python": "3.12.1"}
    assert machine_differences(then, now) == {"python": ("3.11.7", "3.12.1")}
    assert set(machine_differences(now, then)) == {"device", "instructions", "python"}


def test_torch_takes_threads_and_instruction_set_from_there() -> None:
    """A real process says of itself what was asked for."""
    present = present_machine()
    found = environment_of(Path("there"), {**MACHINE, "instructions": "DEFAULT"}, present=present)
    code = "from modelmill.registry.reproduce.environment import present_machine as m; print(m())"
    found["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    said = subprocess.run([sys.executable, "-c", code], env=found, capture_output=True, text=True, check=True).stdout
    assert f"'threads': {MANY}," in said
    assert "'instructions': 'DEFAULT'" in said


def test_packages_are_named_from_then_to_now() -> None:
    """One that is another, one that is gone, one that is new; none is a difference of nothing."""
    then = {"a": "1", "b": "1", "c": "1", "modelmill": "0.1.0"}  # of our own the commit says which
    assert package_differences(then, {"a": "1", "b": "2", "d": "1"}) == ["b 1 -> 2", "c 1 -> -", "d - -> 1"]
    assert package_differences(installed_packages()) == []


def test_of_two_distributions_the_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for Python: the one that comes first on the path is imported."""
    (tmp_path / "polars-99.0.dist-info").mkdir()
    (tmp_path / "polars-99.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: polars\nVersion: 99.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_packages()["polars"] == "99.0"


@pytest.mark.slow
def test_an_environment_has_the_packages_of_the_lock_file_alone(tmp_path: Path) -> None:
    """A real venv and pip, and a wheel on this disk; a package that cannot be had is an error with pip's words."""
    with zipfile.ZipFile(tmp_path / "tiny-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.2\n")
        wheel.writestr("tiny-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.2.dist-info/RECORD", "")
    logged = Logged(tmp_path / "log", lambda _: None)
    with pytest.raises(NotFoundError, match=r"no requirements\.lock"):
        make_environment(tmp_path, tmp_path / "none", logged)
    lock = tmp_path / "requirements.lock"
    lock.write_text("--no-index\n--find-links .\ntiny==1.2\n")
    python = make_environment(tmp_path, tmp_path / "environment", logged)
    code = "import tiny, sys, importlib.util as u; print(sys.prefix, u.find_spec('torch'))"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env={}).stdout
    assert said.split() == [str(tmp_path / "environment"), "None"]
    lock.write_text("--no-index\ntiny==1.3\n")
    with pytest.raises(RegistryError, match=r"tiny==1\.3"):
        make_environment(tmp_path, tmp_path / "environment", logged)
