"""A dataset is whole or not there, also when its writer is killed."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from socket import gethostname

import polars as pl
import pytest
from kedro.io import DatasetError
from plotly.graph_objects import Figure as PlotlyFigure

from modelmill.datasets import Figure, Folder, Picture, Report, Table, Text

SINGLE = {
    "a.parquet": (Table, pl.DataFrame({"a": [1, 2]})),
    "a.json": (Report, {"a": [1, 2]}),
    "a.plotly.json": (Figure, PlotlyFigure()),
    "a.md": (Text, "text"),
    "a.png": (Picture, b"\x89PNG\r\n\x1a\n"),
}


@pytest.mark.parametrize("name", SINGLE)
def test_what_was_saved_is_loaded(tmp_path: Path, name: str) -> None:
    """And nothing else lies beside it."""
    kind, value = SINGLE[name]
    dataset = kind(filepath=str(tmp_path / "new" / name))
    assert not dataset.exists()
    dataset.save(value)
    dataset.save(value)
    loaded = dataset.load()
    assert loaded.equals(value) if isinstance(value, pl.DataFrame) else loaded == value
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


@pytest.mark.parametrize("name", SINGLE)
def test_a_failed_save_leaves_the_former_file(tmp_path: Path, name: str) -> None:
    """A value that cannot be written changes nothing."""
    kind, value = SINGLE[name]
    dataset = kind(filepath=str(tmp_path / name))
    dataset.save(value)
    former = (tmp_path / name).read_bytes()
    with pytest.raises(DatasetError):
        dataset.save(object())
    assert (tmp_path / name).read_bytes() == former
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_kedro_viz_gets_a_picture_in_base64(tmp_path: Path) -> None:
    """The bytes of the file, without a prefix; the annotation is what tells kedro-viz that it is a picture."""
    dataset = Picture(filepath=str(tmp_path / "a.png"))
    dataset.save(b"\x89PNG and more")
    assert base64.b64decode(dataset.preview()) == b"\x89PNG and more"
    assert Picture.preview.__annotations__["return"].__name__ == "ImagePreview"


class TwoFiles:
    """Writes two files."""

    def __init__(self, text: str) -> None:
        self.text = text

    def save(self, folder: Path) -> None:
        (folder / "one.json").write_text(json.dumps(self.text))
        (folder / "two.txt").write_text(self.text)


class FailsHalfWay(TwoFiles):
    """Writes one file and fails."""

    def save(self, folder: Path) -> None:
        (folder / "one.json").write_text("half")
        raise RuntimeError("half way")


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A later save leaves nothing of the former; a failed one leaves the former."""
    dataset = Folder(filepath=str(tmp_path / "model"), show="one.json")
    dataset.save(TwoFiles("first"))
    (dataset.load() / "stale").touch()
    dataset.save(TwoFiles("second"))
    with pytest.raises(DatasetError, match="half way"):
        dataset.save(FailsHalfWay("third"))
    assert sorted(path.name for path in dataset.load().iterdir()) == ["one.json", "two.txt"]
    assert (tmp_path / "model/two.txt").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert json.loads(dataset.preview())["content"] == "second"


WRITER = """
import sys, time
from pathlib import Path
from socket import gethostname
from modelmill.datasets import Folder
class Slow:
    def save(self, folder):
        (folder / "weights").write_bytes(b"half")
        print("half way", flush=True)
        time.sleep(60)
Folder(filepath=sys.argv[1]).save(Slow())
"""


def test_a_killed_writer_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """kill -9 in the middle of a folder: the dataset does not exist, and the next save makes it whole."""
    target = tmp_path / "model"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    dataset = Folder(filepath=str(target))
    assert not dataset.exists()
    dataset.save(TwoFiles("whole"))
    assert dataset.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_was_put_away_comes_back(tmp_path: Path) -> None:
    """Killed between the two renames: the former folder is there, under a hidden name; the next look restores it."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    away = tmp_path / f".model.{gethostname()}.{dead.pid}.former"
    away.mkdir()
    (away / "one.json").write_text('"former"')
    dataset = Folder(filepath=str(tmp_path / "model"))
    assert dataset.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("name", SINGLE)
def test_what_a_killed_writer_left_is_swept(tmp_path: Path, name: str) -> None:
    """A half-written neighbour of a dead process goes at the next save; that of a living one stays."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    for owner in (dead.pid, os.getppid()):
        (tmp_path / f".{name}.{gethostname()}.{owner}.part").write_bytes(b"half")
    kind, value = SINGLE[name]
    kind(filepath=str(tmp_path / name)).save(value)
    assert {path.name for path in tmp_path.iterdir()} == {name, f".{name}.{gethostname()}.{os.getppid()}.part"}
