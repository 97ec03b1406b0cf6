"""Pickles are found by name, by content and inside archives; other files are none."""

import bz2
import gzip
import io
import pickle
import random
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from modelmill.registry.pickles import find_pickles, is_pickle
from tests.conftest import ROOT


class Harmful:
    """Runs a command when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("boo",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("thing", [Harmful(), {"a": [1, 2]}, random.Random(0)], ids=["harmful", "plain", "object"])
def test_every_protocol_is_a_pickle(thing: object, protocol: int) -> None:
    """Whatever it holds, and whatever follows on one that calls something."""
    content = pickle.dumps(thing, protocol)
    assert is_pickle(io.BytesIO(content))
    if isinstance(thing, Harmful):
        assert is_pickle(io.BytesIO(content + b"more"))


def packed(content: bytes, kind: str) -> bytes:
    """Content inside something else."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("inner/data.bin", content)
        return stream.getvalue()
    if kind == "tar":
        with tarfile.open(fileobj=stream, mode="w") as tar:
            entry = tarfile.TarInfo("inner/data.bin")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        return stream.getvalue()
    return {"gz": gzip.compress, "bz2": bz2.compress, "zlib": zlib.compress}[kind](content)


@pytest.mark.parametrize("kind", ["zip", "tar", "gz", "bz2", "zlib"])
@pytest.mark.parametrize("outer", [None, "zip", "gz"])
def test_packed_pickles_are_found(tmp_path: Path, kind: str, outer: str | None) -> None:
    """Also in an archive that is in an archive; what is packed and harmless is not."""
    for name, content in (("bad.json", pickle.dumps(Harmful())), ("good.json", b'{"a": 1}')):
        inner = packed(content, kind)
        (tmp_path / name).write_bytes(packed(inner, outer) if outer else inner)
    (found,) = find_pickles(tmp_path)
    assert found.startswith("bad.json!")
    assert found.endswith(": is a pickle")


def test_files_of_libraries(tmp_path: Path) -> None:
    """torch (zip archives, and the older form), joblib plain and packed, numpy arrays of objects: under any name."""
    tensors = {"w": torch.zeros(3)}
    torch.save(tensors, tmp_path / "new.bin")
    torch.save(tensors, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    joblib.dump({"w": np.arange(1000.0)}, tmp_path / "joblib.bin")
    joblib.dump({"w": np.arange(1000.0)}, tmp_path / "joblib_xz.bin", compress=("xz", 1))
    joblib.dump({"w": np.arange(1000.0)}, tmp_path / "joblib_zlib.bin", compress=3)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "numbers.npy", np.arange(3))
    save_file({"w": np.zeros(3)}, tmp_path / "model.safetensors")
    found = {line.partition(":")[0].partition("!")[0] for line in find_pickles(tmp_path)}
    assert found == {"new.bin", "old.bin", "joblib.bin", "joblib_xz.bin", "joblib_zlib.bin", "objects.npy"}


def test_names_of_pickles_are_enough(tmp_path: Path) -> None:
    """An empty one, too: somebody may load it by its name."""
    for name in ("a.pkl", "b.PICKLE", "c.joblib", "d.pt", "e.txt"):
        (tmp_path / name).write_bytes(b"")
    assert find_pickles(tmp_path) == [
        "a.pkl: has the name of a pickle", "b.PICKLE: has the name of a pickle",
        "c.joblib: has the name of a pickle", "d.pt: has the name of a pickle",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content", [b"", b".", b".hidden\n", b"cat\ndog\n", b"N.B. this", b"I am.", b"(c) 2024 A.\nB."]
)
def test_text_is_no_pickle(content: bytes) -> None:
    """Though its letters are opcodes."""
    assert not is_pickle(io.BytesIO(content))


def test_the_project_has_none() -> None:
    """Code, declarations and docs of this project."""
    for folder in ("conf", "docs", "tests"):
        assert [line for line in find_pickles(ROOT / folder) if "__pycache__" not in line] == []


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x80\x04", b"PK\x03\x04", b"\x1f\x8b", b"x\x9c", b"\x93NUMPY", b"BZh"]),
)
def test_any_bytes_can_be_looked_at(tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes) -> None:
    """Nothing is raised, whatever the file begins like."""
    folder = tmp_path_factory.mktemp("any")
    (folder / "file").write_bytes(start + content)
    assert all(line.startswith("file") for line in find_pickles(folder))


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """An archive that lies too deep, one that is damaged, and what only other programs unpack."""
    deep = pickle.dumps(1)
    for _ in range(5):
        deep = packed(deep, "zip")
    (tmp_path / "deep").write_bytes(deep)
    damaged = bytearray(packed(b"0123456789" * 10, "zip"))
    damaged[50] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    (tmp_path / "sealed").write_bytes(b"\x28\xb5\x2f\xfd" + b"0" * 20)
    damaged_, deep_, sealed = find_pickles(tmp_path)
    assert damaged_ == "damaged: is an archive that cannot be read"
    assert deep_.endswith("lies in more than 3 archives, one in another")
    assert sealed == "sealed: is packed by zstandard, so nobody sees what is in it"
