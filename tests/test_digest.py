"""Digests."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from modelmill.digest import folder_digest, tensor_digest
from modelmill.records import table_digest

A = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.float16)}


def digest(folder: Path, *files: dict[str, np.ndarray]) -> str:
    """The digest of tensors, split over files."""
    folder.mkdir()
    for i, tensors in enumerate(files):
        save_file(tensors, folder / f"model-{i}.safetensors", metadata={"n": str(i)})
    return tensor_digest(folder)


def test_the_digest_is_over_tensors_not_files(tmp_path: Path) -> None:
    """Metadata and the division into files do not matter; a value, a name, a shape or a type does."""
    whole = digest(tmp_path / "a", A)
    assert digest(tmp_path / "b", {"b": A["b"]}, {"w": A["w"]}) == whole
    others = [
        {**A, "w": A["w"] + 1},
        {"v": A["w"], "b": A["b"]},
        {**A, "w": A["w"].reshape(3, 2)},
        {**A, "b": A["b"].astype(np.float32)},
    ]
    assert len({whole, *(digest(tmp_path / f"c{i}", other) for i, other in enumerate(others))}) == 5


def test_a_table_digest_sees_every_cell() -> None:
    """And cannot be fooled by moving a border between cells."""
    rows = [{"id": "a", "text": "bc", "label": "d"}, {"id": "ab", "text": "c", "label": "d"}]
    assert len({table_digest(pl.DataFrame([row])) for row in rows}) == 2


def test_a_folder_digest_sees_every_file(tmp_path: Path) -> None:
    """Its name and its bytes, in folders too, whatever the order; not what Python and MLflow leave there."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b/x").write_bytes(b"1")
    (tmp_path / "a").write_bytes(b"2")
    parts = [f"{name}\0{hashlib.sha256(content).hexdigest()}\n" for name, content in (("a", b"2"), ("b/x", b"1"))]
    assert folder_digest(tmp_path) == hashlib.sha256("".join(parts).encode()).hexdigest()
    (tmp_path / "b/__pycache__").mkdir()
    (tmp_path / "b/__pycache__/x.pyc").write_bytes(b"3")
    (tmp_path / "registered_model_meta").write_bytes(b"4")
    before = folder_digest(tmp_path)
    assert before == hashlib.sha256("".join(parts).encode()).hexdigest()
    (tmp_path / "b/x").rename(tmp_path / "b/y")
    assert folder_digest(tmp_path) != before
    (tmp_path / "b/y").rename(tmp_path / "b/x")
    (tmp_path / "b/registered_model_meta").write_bytes(b"5")
    assert folder_digest(tmp_path) != before
