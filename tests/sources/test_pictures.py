"""Reading images: files, idx, rows of numbers; what is no image is a reject."""

import gzip
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from pydantic import ValidationError

from modelmill import images
from modelmill.cleaning.clean import clean_product
from modelmill.errors import SourceError
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import ContractSpec, Sources, SourceSpec


def read(root: Path, **source: Any) -> pl.DataFrame:
    """The records of one declared source."""
    return read_sources(Sources.model_validate(source), CleaningSpec(), str(root))[0].read()


def pixels(table: pl.DataFrame) -> list[Any]:
    """Of each image, without the axis of its one channel."""
    return [images.decoded(data)[..., 0].tolist() for data in table["image"]]


def idx(*shape: int, values: bytes) -> bytes:
    """A file of idx: two zeros, the type, the number of dimensions, their sizes, the values."""
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + values


def write_idx(folder: Path, labels: bytes = b"\x07\x03") -> None:
    """Two images of 1 x 2 pixels, and their labels."""
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(idx(2, 1, 2, values=bytes([0, 255, 9, 8])))
    with gzip.open(folder / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(idx(len(labels), values=labels))


def test_idx_is_read_with_its_labels(tmp_path: Path) -> None:
    """MNIST's files: a record for each image, labelled by the file beside; both files are in the digests."""
    write_idx(tmp_path)
    source = Sources.model_validate({"files": "train-*-ubyte.gz", "format": "idx"})
    table, digests = read_sources(source, CleaningSpec(), str(tmp_path))
    records = table.read()
    assert pixels(records) == [[[0, 255]], [[9, 8]]]
    assert records["label"].to_list() == ["7", "3"]
    assert records["origin"].to_list() == ["train-images-idx3-ubyte.gz:1", "train-images-idx3-ubyte.gz:2"]
    assert [*digests] == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx(3, values=b"123")), r"has 2 images, and .* shape \(3,\)"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx(2, 1, 2, values=b"123")), "ends too early"),
        ("train-images-idx3-ubyte.gz", gzip.compress(b"label,text\n"), "no idx file of unsigned bytes"),
        ("train-images-idx3-ubyte.gz", b"label,text\n", "damaged"),
    ],
    ids=["other labels", "cut off", "not idx", "not gzip"],
)
def test_a_wrong_idx_file_is_said(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """Labels of other images, a file cut off, another format."""
    write_idx(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=said):
        read(tmp_path, files="train-*-ubyte.gz", format="idx")


def test_images_without_their_labels_are_not_read(tmp_path: Path) -> None:
    """They would be records without labels."""
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(SourceError, match=r"its labels, train-labels-idx1-ubyte\.gz, are not beside it"):
        read(tmp_path, files="train-*-ubyte.gz", format="idx")


def test_rows_of_numbers_become_images(tmp_path: Path) -> None:
    """`white` is 255, and what stands behind the pixels is found by its place."""
    (tmp_path / "a.csv").write_text("0,16,8,4,one\n16,0,0,0,two\n")
    options = {"format": "pixels", "shape": [2, 2], "white": 16, "header": False, "columns": {"label": 4}}
    table = read(tmp_path, files="a.csv", **options)
    assert pixels(table) == [[[0, 255], [128, 64]], [[255, 0], [0, 0]]]
    assert table["label"].to_list() == ["one", "two"]
    with pytest.raises(SourceError, match=r"a\.csv:1: a pixel is not from 0 to `white`, 15"):
        read(tmp_path, files="a.csv", **{**options, "white": 15})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"format": "pixels"}, "needs `shape` and `white`"),
        ({"format": "csv", "white": 9}, "needs `shape` and `white`"),
        ({"format": "idx", "columns": {"text": "a"}}, "an image has no text"),
        ({"format": "idx", "quotes": False}, "`quotes` are of csv and tsv"),
    ],
)
def test_what_a_format_does_not_have_is_refused(source: dict[str, Any], said: str) -> None:
    """An option that would do nothing."""
    with pytest.raises(ValidationError, match=said):
        SourceSpec.model_validate({"files": "a", **source})


def test_a_broken_image_is_a_reject_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off, of another format, or too large to be opened; the others are read, their labels in the path."""
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (4, 3), "red" if label == "cat" else "blue").save(tmp_path / label / "1.png")
    whole = BytesIO()
    Image.effect_noise((40, 40), 9).save(whole, "JPEG")
    (tmp_path / "cat/2.png").write_bytes(whole.getvalue()[:300])
    (tmp_path / "cat/3.png").write_text("no image")
    Image.new("L", (50, 50)).save(tmp_path / "dog/4.png")
    monkeypatch.setattr(images, "MOST_PIXELS", 2000)
    raw, _ = read_sources(Sources.model_validate({"files": "{label}/*.png"}), CleaningSpec(), str(tmp_path))
    clean, rejects, _ = clean_product(raw, ContractSpec(max_reject=1), CleaningSpec(), str(tmp_path))
    assert clean.read()["label"].to_list() == ["cat", "dog"]
    assert images.decoded(clean.read()["image"][0])[0, 0].tolist() == [255, 0, 0]
    rows = rejects.read().select("origin", "reason", "detail").rows()
    found = {origin: (why, detail) for origin, why, detail in rows}
    assert {why for why, _ in found.values()} == {"image cannot be read"}
    assert "truncated" in found["cat/2.png:1"][1].lower()
    assert "no image" in found["cat/3.png:1"][1]
    assert "50 x 50 pixels, more than 2000" in found["dog/4.png:1"][1]


def test_the_same_picture_in_two_formats_is_one(tmp_path: Path) -> None:
    """The text of a record is the address of its pixels, so a duplicate is found whatever its file."""
    noise = Image.effect_noise((6, 5), 50)
    (tmp_path / "a").mkdir()
    noise.save(tmp_path / "a/1.png")
    noise.save(tmp_path / "a/2.bmp")
    noise.rotate(180).save(tmp_path / "a/3.png")
    table = read(tmp_path, files="{label}/*", format="images")
    assert table["text"][0] == table["text"][1] != table["text"][2]
    assert table["id"].to_list()[1] == f"{table['id'][0]}-2"


def test_pixels_come_back_from_png_as_they_were() -> None:
    """Grey and in colour."""
    for shape in ((3, 4, 1), (3, 4, 3)):
        given = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
        assert np.array_equal(images.decoded(images.encoded(given)), given)
    assert images.decoded(images.encoded(given), 1, (2, 2)).shape == (2, 2, 1)
