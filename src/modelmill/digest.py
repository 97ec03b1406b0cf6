"""Digests that say the same on every machine: over content, never over files that hold times or ids."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

LOADED = "registered_model_meta"


def tensor_digest(folder: Path) -> str:
    """SHA-256 over all tensors of a model folder: sorted by name; name, dtype, shape, bytes.

    Reads the safetensors format itself (https://huggingface.co/docs/safetensors, "Format"), because numpy has
    no bfloat16 and torch takes seconds to import.

    Args:
        folder: holds one or more `*.safetensors`.
    """
    tensors: list[tuple[str, Path, int, dict[str, Any]]] = []
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(size))
        tensors += [(name, path, 8 + size, info) for name, info in header.items() if name != "__metadata__"]
    assert tensors, f"no safetensors in {folder}"
    digest = hashlib.sha256()
    for name, path, start, info in sorted(tensors, key=lambda item: item[0]):
        digest.update(json.dumps([name, info["dtype"], info["shape"]]).encode())
        begin, end = info["data_offsets"]
        with path.open("rb") as stream:
            stream.seek(start + begin)
            digest.update(stream.read(end - begin))
    return digest.hexdigest()


def backbone_origin(folder: Path) -> dict[str, Any]:
    """The digest of a backbone's tensors, and what its `backbone.json` says of where it comes from.

    That is an address with the SHA-256 of its files, or a corpus, and with `from` the same of the backbone that it
    goes on from.
    """
    made = json.loads((folder / "backbone.json").read_text(encoding="utf-8"))
    known = ("taken_from", "sha256", "corpus_sha256", "from")
    return {"digest": tensor_digest(folder), **{name: made[name] for name in known if name in made}}


def folder_digest(folder: Path) -> str:
    """SHA-256 over all files of a folder: sorted relative POSIX paths, each with the SHA-256 of its bytes.

    What is written when a version is only looked at never counts: `__pycache__` by Python, and at the top
    `registered_model_meta` by MLflow, which notes there as which version it was loaded.
    """
    digest = hashlib.sha256()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in names:
        if "__pycache__" not in name.split("/") and name != LOADED:
            with (folder / name).open("rb") as stream:
                digest.update(f"{name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
