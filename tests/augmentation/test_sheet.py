"""The contact sheet: every tile where it belongs, and the how-to that makes one."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelmill.augmentation.images import copy_images
from modelmill.augmentation.sheet import COLUMNS, GAP, NAMES, TILE, preview_sheet
from modelmill.specs.image_augmentation import STRENGTH, ImageAugmentations
from tests.conftest import ROOT

HOW_TO = (ROOT / "docs/how-to/augment.md").read_text(encoding="utf-8")


def halves(*values: int) -> np.ndarray:
    """Images of 2 x 2 pixels: a value on the left, black on the right."""
    images = np.zeros((len(values), 2, 2, 1), np.uint8)
    images[:, :, 0, 0] = np.array(values)[:, None]
    return images


def sheet(images: np.ndarray, labels: str, declared: object) -> np.ndarray:
    """Tiles of the sheet: (rows, columns, TILE, TILE)."""
    steps = ImageAugmentations.model_validate(declared)
    copies = copy_images(images, [str(i) for i in range(len(images))], list(labels), steps)
    picture = np.asarray(Image.open(BytesIO(preview_sheet(images, copies, steps))).convert("L"))
    picture = picture[GAP:, NAMES:]
    rows, columns = picture.shape[0] // (TILE + GAP), (picture.shape[1] - GAP) // (TILE + GAP)
    step = TILE + GAP
    return np.stack(
        [
            [picture[row * step :, column * step :][:TILE, :TILE] for column in range(columns)]
            for row in range(rows)
        ]
    )  # fmt: skip


def test_copies_stand_under_their_originals() -> None:
    """Mirrored, each in its column; a row per step."""
    tiles = sheet(halves(100, 200), "xy", [{"kind": "flip", "strength": 1}, {"kind": "mixup", "strength": 1}])
    assert tiles.shape == (3, 2, TILE, TILE)
    left, right = tiles[..., : TILE // 2], tiles[..., TILE // 2 :]
    for column, value in enumerate((100, 200)):
        assert (left[0, column] == value).all()
        assert (right[0, column] == 0).all()
        assert (left[1, column] == 0).all()
        assert (right[1, column] == value).all()


def test_of_several_copies_the_first_is_shown() -> None:
    """A sheet of two copies each is that of one."""
    one, two = (sheet(halves(9, 99), "xy", {"kind": "noise", "strength": 1, "copies": copies}) for copies in (1, 2))
    assert (one == two).all()


def test_originals_that_have_copies_are_shown() -> None:
    """With steps that balance, those of the rare label."""
    tiles = sheet(halves(1, 2, 3, 200), "xxxy", {"kind": "flip", "strength": 1, "copies": "balance"})
    assert tiles.shape[1] == 1
    assert tiles[0, 0, 0, 0] == 200


def test_a_step_without_a_copy_leaves_a_gap() -> None:
    """White, not the original again."""
    tiles = sheet(halves(9), "x", [{"kind": "flip", "strength": 1}, {"kind": "flip", "strength": 0}])
    assert (tiles[2, 0] == 255).all()


def test_many_originals_are_shown_evenly() -> None:
    """First and last among them, no more than fit."""
    tiles = sheet(halves(*range(1, 101)), "x" * 100, {"kind": "flip", "strength": 1})
    shown = tiles[0, :, 0, 0].tolist()
    assert len(shown) == COLUMNS
    assert (shown[0], shown[-1]) == (1, 100)
    assert shown == sorted(shown)


@pytest.mark.parametrize("shape", [(1, 300, 100, 3), (1, 3, 5, 1)])
def test_images_of_any_size_fit(shape: tuple[int, ...]) -> None:
    """The longer side is a tile's; the proportions stay."""
    images = np.random.default_rng(0).integers(200, size=shape, dtype=np.uint8)
    tile = sheet(images, "x", {"kind": "flip", "strength": 1})[0, 0]
    rows, columns = (tile < 250).any(axis=1).sum(), (tile < 250).any(axis=0).sum()
    assert max(rows, columns) == TILE
    assert columns / rows == pytest.approx(shape[2] / shape[1], abs=0.02)


def test_the_how_to_says_what_strength_means() -> None:
    """Its table is that of the specs."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", HOW_TO.split("## Images")[1], re.MULTILINE))
    assert rows == STRENGTH


def test_the_how_to_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its example makes the sheet that it promises."""
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.+?)```", HOW_TO, re.DOTALL)
    exec(code, {})
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (NAMES + COLUMNS * (TILE + GAP) + GAP, 5 * (TILE + GAP) + GAP)
