"""Images as arrays of pixels and as PNG bytes, which lose nothing. Pillow reads them.

Pixels are uint8 (height, width, channels) of one channel (grey) or three (RGB).
"""

import hashlib
import warnings
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

MOST_PIXELS = 64_000_000
"""Of an image; a small file can claim to hold more than the memory does (a decompression bomb)."""

GREY = {"1", "L", "LA", "I;16", "I", "F"}
"""Pillow's names of pictures without colours."""


def encoded(pixels: Pixels) -> bytes:
    """As PNG."""
    file = BytesIO()
    grey = pixels.shape[-1] == 1
    Image.fromarray(pixels[..., 0] if grey else pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def decoded(data: bytes, channels: int | None = None, size: tuple[int, int] | None = None) -> Pixels:
    """The pixels of a file in any format that Pillow reads, upright.

    Args:
        data: the file's bytes.
        channels: 1 or 3; None for those that it has.
        size: height and width that it is brought to, by bilinear filtering; None for its own.

    Raises:
        ValueError: says why it cannot be read.
    """
    image = _opened(data)
    mode = "L" if channels == 1 or (channels is None and image.mode in GREY) else "RGB"
    converted = image.convert(mode)
    if size is not None and converted.size != size[::-1]:
        converted = converted.resize(size[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(converted)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def stacked(files: Sequence[bytes], channels: int, size: tuple[int, int]) -> Pixels:
    """Images of one form, (images, height, width, channels)."""
    found = np.zeros((len(files), *size, channels), np.uint8)
    for i, data in enumerate(files):
        found[i] = decoded(data, channels, size)
    return found


def address(pixels: Pixels) -> str:
    """SHA-256 of the pixels and their form: the same for two files that show the same, whatever their format."""
    return hashlib.sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def why_unreadable(data: bytes) -> str | None:
    """What is wrong with a file that should be an image."""
    try:
        decoded(data)
    except ValueError as error:
        return str(error)
    return None


def _opened(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # ours is lower
            image = Image.open(BytesIO(data))
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, more than {MOST_PIXELS} are refused")
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):  # Pillow cuts 16 bits off instead of scaling them
                deep = np.asarray(upright).astype(np.uint16)
                upright = Image.fromarray((deep >> 8).astype(np.uint8))
    except Exception as error:  # a damaged file raises almost anything
        unknown = isinstance(error, UnidentifiedImageError)  # its message has an address of the memory
        raise ValueError("no image, or in an unknown format" if unknown else str(error).partition("\n")[0]) from None
    return upright
