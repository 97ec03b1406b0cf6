"""A contact sheet: images, and under each what the steps make of it."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from modelmill.augmentation.images import ImageCopies
from modelmill.augmentation.mixes import mix_images
from modelmill.images import Pixels
from modelmill.specs.image_augmentation import ImageAugmentations

COLUMNS = 8
TILE = 96
"""Pixels of the longer side of an image on the sheet."""
GAP = 8
NAMES = 150
"""Width of the column of names."""


def preview_sheet(images: Pixels, copies: ImageCopies, steps: ImageAugmentations) -> bytes:
    """Originals in the first row; under them, a row per step, the first copy that it made of each, or a gap for none.

    Args:
        images: the originals.
        copies: what `copy_images` made of them by the steps.
        steps: one that mixes batches shows the originals of the sheet mixed.

    Returns:
        a PNG file.
    """
    columns = _shown(len(images), copies)
    first: dict[tuple[int, int], Pixels] = {}
    for image, row, place in zip(copies.images, copies.rows, copies.steps, strict=True):
        first.setdefault((row, place), image)
    rows: list[tuple[str, list[Pixels | None]]] = [("original", [images[column] for column in columns])]
    for place, step in enumerate(steps.root):
        name = f"{step.kind} {step.strength:g}"
        if step.copies is None:
            rows.append((name, list(mix_images(images[columns], np.eye(len(columns)), step)[0])))
        else:
            rows.append((name, [first.get((column, place)) for column in columns]))
    return _drawn(rows)


def _shown(count: int, copies: ImageCopies) -> list[int]:
    """Places of originals, evenly from those that most steps made copies of."""
    steps = np.zeros(count, int)
    for row, _ in set(zip(copies.rows, copies.steps, strict=True)):
        steps[row] += 1
    best = np.flatnonzero(steps == steps.max(initial=0))
    picked = np.linspace(0, len(best) - 1, min(COLUMNS, len(best))).round().astype(int)
    return [int(place) for place in best[picked]]


def _drawn(rows: list[tuple[str, list[Pixels | None]]]) -> bytes:
    step = TILE + GAP
    sheet = Image.new("RGB", (NAMES + step * len(rows[0][1]) + GAP, step * len(rows) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for down, (name, tiles) in enumerate(rows):
        draw.text((GAP, GAP + down * step + TILE // 2), name, "black", font, "lm")
        for across, tile in enumerate(tiles):
            if tile is not None:
                sheet.paste(_tile(tile), (NAMES + across * step, GAP + down * step))
    file = BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _tile(pixels: Pixels) -> Image.Image:
    """In the size of the sheet; small images keep their pixels as squares."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    scale = TILE / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)
