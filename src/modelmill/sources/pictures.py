"""Readers of images: a file becomes tables with the columns `#line` (place in the file), `text` (the address of the
pixels), `image` (PNG) and `label`. An image that cannot be read has no text, and its bytes as they stand in the file.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from modelmill import images
from modelmill.errors import SourceError
from modelmill.images import Pixels
from modelmill.records import IMAGE
from modelmill.sources.formats import LINE, Reader
from modelmill.sources.separated import Dialect, separated
from modelmill.specs.source import SourceSpec

BATCH = 2000
"""Images of a table that come from one file."""

IDX_BYTES = 0x08
"""The mark of unsigned bytes in a header of idx."""

Opened = IO[bytes] | gzip.GzipFile


def reader_of_images(source: SourceSpec) -> Reader:
    """What reads the files of a source of images."""
    match source.resolved_format:
        case "idx":
            return read_idx
        case "pixels":
            assert source.shape, "the declaration was checked"
            assert source.white
            return partial(read_pixels, shape=source.shape, white=source.white, header=source.header)
    return read_image


def read_image(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """A file that is one image, in any format that Pillow reads."""
    data = path.read_bytes()
    try:
        yield _table([(1, images.decoded(data))])
    except ValueError:
        schema: dict[str, Any] = {LINE: pl.Int64, "text": pl.String, IMAGE: pl.Binary}
        yield pl.DataFrame([(1, None, data)], schema=schema, orient="row")


def read_idx(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """MNIST's format (http://yann.lecun.com/exdb/mnist), `.gz` or not. Labels are read with their images:
    `train-labels-idx1-ubyte` with `train-images-idx3-ubyte`, so `files` should stand for both.
    """
    partner = path.with_name(_other_kind(path.name))
    with _open(path) as file:
        shape = _idx_shape(file, shown)
        if len(shape) == 1:
            if not partner.is_file():
                raise SourceError(f"{shown}: these are labels, and {partner.name} is not beside them; bring it.")
            return
        if len(shape) != 3:
            raise SourceError(f"{shown}: expected images (3 dimensions) or labels (1), found {len(shape)} dimensions.")
        labels = _idx_labels(partner, shown, shape[0])
        count, size = 0, shape[1] * shape[2]
        while count < shape[0]:
            some = min(BATCH, shape[0] - count)
            pixels = np.frombuffer(_read(file, some * size, shown), np.uint8).reshape(some, *shape[1:], 1)
            table = _table((count + i + 1, image) for i, image in enumerate(pixels))
            yield table.with_columns(pl.Series("label", labels[count : count + some]).cast(pl.String))
            count += some


def _other_kind(name: str) -> str:
    """Of a file of images the name of its labels, and the other way round."""
    for one, other in ((("images", "labels"), ("idx3", "idx1")), (("labels", "images"), ("idx1", "idx3"))):
        if one[0] in name:
            return name.replace(*one).replace(*other)
    return f"{name}-labels"


def _open(path: Path) -> Opened:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _idx_shape(file: Opened, shown: str) -> tuple[int, ...]:
    """The header: two zeros, the type of the values, the number of dimensions, and their sizes (big-endian)."""
    zeros, kind, dimensions = np.frombuffer(_read(file, 4, shown), ">u2,u1,u1")[0]
    if zeros or kind != IDX_BYTES:
        raise SourceError(f"{shown}: this is no idx file of unsigned bytes; declare its `format`.")
    return tuple(int(size) for size in np.frombuffer(_read(file, 4 * int(dimensions), shown), ">u4"))


def _idx_labels(path: Path, shown: str, count: int) -> Any:
    if not path.is_file():
        raise SourceError(f"{shown}: its labels, {path.name}, are not beside it; bring them.")
    with _open(path) as file:
        shape = _idx_shape(file, path.name)
        if shape != (count,):
            raise SourceError(f"{shown} has {count} images, and {path.name} is of the shape {shape}; bring its own.")
        return np.frombuffer(_read(file, count, path.name), np.uint8)


def _read(file: Opened, count: int, shown: str) -> bytes:
    """So many bytes, or a `SourceError`."""
    try:
        data = file.read(count)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{shown}: this file is damaged ({error}); bring it again.") from None
    if len(data) != count:
        raise SourceError(f"{shown}: the file ends too early; bring it again.")
    return data


def read_pixels(
    path: Path, shown: str, encoding: str, shape: tuple[int, int], white: int, header: bool
) -> Iterator[pl.DataFrame]:
    """A row of comma-separated numbers for each image: its pixels in the first columns, then a label or an id."""
    names, rows = separated(path, shown, encoding, Dialect(",", header, True))
    size = shape[0] * shape[1]
    if len(names) < size:
        raise SourceError(f"{shown}:1: {len(names)} columns; `shape` {list(shape)} needs {size} for the pixels.")
    while batch := list(islice(rows, BATCH)):
        table = _table((line, _pixels(cells[:size], shape, white, f"{shown}:{line}")) for line, *cells in batch)
        others = {name: [str(row[size + 1 + i]) for row in batch] for i, name in enumerate(names[size:])}
        yield table.with_columns(**{name: pl.Series(cells, dtype=pl.String) for name, cells in others.items()})


def _pixels(cells: list[object], shape: tuple[int, int], white: int, place: str) -> Pixels:
    try:
        values = np.array(cells, np.float64).reshape(*shape, 1)
    except ValueError as error:
        raise SourceError(f"{place}: a pixel is no number ({error}); mend the row, or correct `shape`.") from None
    if not ((values >= 0) & (values <= white)).all():
        raise SourceError(f"{place}: a pixel is not from 0 to `white`, {white}; mend the row, or correct `white`.")
    return np.rint(values * 255 / white).astype(np.uint8)


def _table(rows: Iterable[tuple[object, Pixels]]) -> pl.DataFrame:
    """Places and pixels as records."""
    found = [(line, images.address(pixels), images.encoded(pixels)) for line, pixels in rows]
    return pl.DataFrame(found, schema={LINE: pl.Int64, "text": pl.String, IMAGE: pl.Binary}, orient="row")
