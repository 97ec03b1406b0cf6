"""Images of a product's splits as arrays of pixels, which are memory-mapped when they are read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill import images
from modelmill.errors import DataError
from modelmill.images import Pixels
from modelmill.progress import counted
from modelmill.records import IMAGE, table_digest
from modelmill.tables import batches_of

LEAST_DEVIATION = 1e-3
"""Of a channel that hardly changes."""

PREPROCESSOR = "preprocessor_config.json"
"""How transformers keeps what is done to images before a model reads them."""


@dataclass(frozen=True)
class Form:
    """What images are brought to before a model reads them."""

    height: int
    width: int
    channels: int
    mean: list[float] | None = None
    """By channel, of values from 0 to 1; None until it is measured."""
    deviation: list[float] | None = None

    @classmethod
    def of(cls, backbone: Path, first: bytes, declared: tuple[int, int] | None) -> "Form":
        """As the backbone reads them.

        Args:
            backbone: a folder with `config.json`, and `preprocessor_config.json` when it has been trained.
            first: an image of the training split, whose size counts when nothing else is said.
            declared: height and width.

        Raises:
            DataError: when it reads no images, or none of the declared size.
        """
        config = json.loads((backbone / "config.json").read_text(encoding="utf-8"))
        if "num_channels" not in config:
            raise DataError(
                f"the backbone is a {config.get('model_type')}, which reads no images; name another one, such as one "
                "with `architecture: {kind: resnet}`."
            )
        fixed = _pair(config.get("image_size"))
        if declared and fixed and fixed != declared:
            raise DataError(f"`task.size` is {[*declared]}, but the backbone reads images of {[*fixed]}; leave it out.")
        path = backbone / PREPROCESSOR
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        own = images.decoded(first).shape[:2]
        height, width = declared or fixed or _pair(known.get("size")) or (own[0], own[1])
        return cls(height, width, config["num_channels"], known.get("image_mean"), known.get("image_std"))

    def stacked(self, files: list[bytes]) -> Pixels:
        """Images of this form, (images, height, width, channels)."""
        return images.stacked(files, self.channels, (self.height, self.width))

    def preprocessor(self) -> dict[str, Any]:
        """As transformers keeps it."""
        return {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": self.height, "width": self.width},
            "resample": 2,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": self.mean,
            "image_std": self.deviation,
        }


def _pair(size: Any) -> tuple[int, int] | None:
    """Height and width, of a number, a list or keys; None of a longest or shortest side only."""
    if isinstance(size, dict):
        return (size["height"], size["width"]) if {"height", "width"} <= {*size} else None
    if isinstance(size, int):
        return size, size
    return (size[0], size[1]) if size else None


@dataclass(frozen=True)
class Images:
    """Pixels (images, height, width, channels), targets (images, ...), and what normalises them."""

    pixels: Pixels
    labels: NDArray[Any]
    mean: list[float]
    deviation: list[float]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def load(cls, folder: Path, form: Form) -> "Images":
        """Open a split; pixels stay on disk until they are used."""
        assert form.mean is not None, "it was measured"
        assert form.deviation is not None
        pixels = np.load(folder / "pixels.npy", mmap_mode="r")
        return cls(pixels, np.load(folder / "labels.npy"), form.mean, form.deviation)


@dataclass(frozen=True)
class ImageEncoding:
    """Tables of records (column image) that become pixels while they are saved, batch by batch.

    Args:
        tables: split name to records.
        form: what images are brought to.
        targets: what is to be learned of records, (records, ...).
        about: what else is to be said in `tokens.json`.
    """

    tables: Mapping[str, pl.DataFrame]
    form: Form
    targets: Callable[[pl.DataFrame], NDArray[Any]]
    about: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write one folder per split, and `tokens.json`."""
        moments = {name: self._save(table, folder / name) for name, table in self.tables.items()}
        mean, square = moments["train"]
        deviation = np.maximum(np.sqrt(np.maximum(square - mean**2, 0)), LEAST_DEVIATION)
        measured = {"mean": self.form.mean or mean.tolist(), "deviation": self.form.deviation or deviation.tolist()}
        about = {
            **self.about,
            "form": {**vars(self.form), **measured},
            "records_sha256": table_digest(self.tables["train"]),
            "splits": {name: {"images": table.height} for name, table in self.tables.items()},
        }
        (folder / "tokens.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    def _save(self, table: pl.DataFrame, folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Write a folder of arrays; answers the mean of each channel and that of its squares, from 0 to 1."""
        folder.mkdir(parents=True)
        form, start = self.form, 0
        shape = (table.height, form.height, form.width, form.channels)
        pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, shape)
        sums = np.zeros((2, form.channels))
        for batch in counted(batches_of(table), f"decoding ({folder.name})", table.height, "records"):
            found = form.stacked(batch[IMAGE].to_list())
            pixels[start : start + batch.height] = found
            start += batch.height
            values = found / 255
            sums += values.sum((0, 1, 2)), (values**2).sum((0, 1, 2))
        pixels.flush()
        np.save(folder / "labels.npy", self.targets(table))
        mean, square = sums / (table.height * form.height * form.width)
        return mean, square


def load_tensors(folder: Path) -> tuple[dict[str, Any], Form, dict[str, Images]]:
    """What `tokens.json` says, the form of the images, and the splits."""
    about = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    form = Form(**about["form"])
    return about, form, {name: Images.load(folder / name, form) for name in about["splits"]}
