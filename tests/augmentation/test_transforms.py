"""Each transform at a strength and draw that a hand, or Pillow, can check."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import binary_erosion
from torch import Tensor

from modelmill.augmentation import transforms_module
from modelmill.augmentation.transforms_module import KINDS, RAND_AUGMENT, rand_augment


class Drawn:
    """A random source that always draws the same place between the ends: 0 the lower one, 1 the upper one."""

    def __init__(self, place: float) -> None:
        self.place = place

    def random(self, size: Any = None, dtype: Any = float) -> Any:
        return float(self.place) if size is None else np.full(size, self.place, dtype)

    def uniform(self, low: float, high: float) -> float:
        return float(low + self.place * (high - low))

    def integers(self, below: int) -> int:
        return int(self.place * (below - 1))


def altered(kind: str, image: Any, strength: float, place: float = 1) -> np.ndarray:
    """(height, width) or (channels, height, width) through a transform, rounded to thousandths."""
    tensor = torch.tensor(np.asarray(image, np.float32))
    shaped = tensor.reshape(1, -1, *tensor.shape[-2:])
    return KINDS[kind](shaped, strength, Drawn(place)).reshape(tensor.shape).numpy().round(3)


SQUARE = np.arange(16).reshape(4, 4) / 16


def test_rotate_half_strength_is_a_quarter_turn() -> None:
    """Counter-clockwise at one end, clockwise at the other."""
    assert altered("rotate", SQUARE, 0.5) == pytest.approx(np.rot90(SQUARE), abs=1e-3)
    assert altered("rotate", SQUARE, 0.5, 0) == pytest.approx(np.rot90(SQUARE, -1), abs=1e-3)


def test_shift_is_a_share_of_the_sides() -> None:
    """A quarter of four pixels is one, right and down; what comes in is black."""
    expected = np.zeros((4, 4))
    expected[1:, 1:] = SQUARE[:-1, :-1]
    assert altered("shift", SQUARE, 0.25) == pytest.approx(expected, abs=1e-3)


def test_zoom_1_is_double_or_half() -> None:
    """A square of two pixels in the middle becomes one of four, or of one."""
    image = np.zeros((9, 9))
    image[3:6, 3:6] = 1
    larger, smaller = (altered("zoom", image, 1, place) for place in (1, 0))
    assert (larger > 0.5).sum() == 25
    assert (smaller > 0.5).sum() == 1


def test_crop_cuts_away_a_share_of_the_area() -> None:
    """Three quarters gone leave half of each side: at one end the lower right quarter, enlarged."""
    image = np.zeros((4, 4))
    image[2:, 2:] = 1
    assert (altered("crop", image, 0.75) == 1).all()
    assert altered("crop", SQUARE, 1).shape == (4, 4)


def test_perspective_moves_each_corner_inwards() -> None:
    """By a quarter of the sides at the most: a white square of 9 shrinks to one of 5 in the middle."""
    expected = np.zeros((9, 9))
    expected[2:7, 2:7] = 1
    assert altered("perspective", np.ones((9, 9)), 1) == pytest.approx(expected, abs=1e-3)


def test_brightness_contrast_and_saturation_scale_by_one_plus_or_minus() -> None:
    """Half strength: values, distances from the mean and distances from grey, times 1.5 or 0.5."""
    assert altered("brightness", [[0.2, 0.4]], 0.5) == pytest.approx(np.array([[0.3, 0.6]]))
    assert altered("contrast", [[0.2, 0.4]], 0.5) == pytest.approx(np.array([[0.15, 0.45]]))
    assert altered("contrast", [[0.2, 0.4]], 1, 0) == pytest.approx(np.array([[0.3, 0.3]]))
    red = [[[0.5]], [[0.0]], [[0.0]]]
    grey = 0.299 * 0.5
    assert altered("saturation", red, 0.5, 0).ravel() == pytest.approx([grey / 2 + 0.25, grey / 2, grey / 2], abs=1e-3)
    assert altered("saturation", red, 1, 0).ravel() == pytest.approx([grey] * 3, abs=1e-3)


def test_hue_1_is_half_the_circle() -> None:
    """Red becomes cyan; two thirds of that make it green."""
    red = [[[1.0]], [[0.0]], [[0.0]]]
    assert altered("hue", red, 1).ravel() == pytest.approx([0, 1, 1], abs=1e-3)
    assert altered("hue", red, 2 / 3).ravel() == pytest.approx([0, 1, 0], abs=1e-3)


def test_blur_spreads_as_a_gaussian() -> None:
    """A point in 31 x 31 pixels at strength 0.5 has a standard deviation of 1.55 pixels, and loses nothing."""
    image = np.zeros((31, 31))
    image[15, 15] = 1
    blurred = KINDS["blur"](torch.tensor(image)[None, None], 0.5, Drawn(1))[0, 0].numpy()
    assert blurred.sum() == pytest.approx(1, abs=1e-3)
    assert ((np.arange(31) - 15) ** 2 * blurred.sum(axis=0)).sum() ** 0.5 == pytest.approx(1.55, abs=0.02)
    assert altered("blur", image, 1, 0) == pytest.approx(image)


def test_noise_has_the_standard_deviation_of_its_strength() -> None:
    """Drawn from 0 up to it."""
    rng = np.random.default_rng(0)
    grey = torch.full((1, 1, 100, 100), 0.5)
    found = [float((KINDS["noise"](grey, 0.2, rng) - grey).std()) for _ in range(200)]
    assert 0 < min(found) < 0.01
    assert 0.19 < max(found) < 0.205


@pytest.mark.parametrize(("place", "strength"), [(1, 0.25), (1, 1), (0.5, 0.5), (0, 1)])
def test_erase_takes_a_share_of_the_area(place: float, strength: float) -> None:
    """In a rectangle, its sides rounded to pixels."""
    erased = KINDS["erase"](torch.full((1, 1, 40, 60), 2.0), strength, Drawn(place))[0, 0].numpy() != 2
    assert erased.mean() == pytest.approx(place * strength, abs=0.02)
    rows, columns = erased.any(axis=1).sum(), erased.any(axis=0).sum()
    assert rows * columns == erased.sum()


def photo() -> np.ndarray:
    """A smooth picture in colours with some noise, not of the full range."""
    down, across = np.mgrid[0:24, 0:30]
    smooth = np.stack([down * 6, across * 5, 120 + down + across], axis=-1) + 30
    return (smooth + np.random.default_rng(0).integers(20, size=smooth.shape)).astype(np.uint8)


PILLOW = {
    "identity": lambda image, share: image,
    "auto_contrast": lambda image, share: ImageOps.autocontrast(image),
    "equalize": lambda image, share: ImageOps.equalize(image),
    "rotate": lambda image, share: image.rotate(30 * share, Image.Resampling.BILINEAR),
    "solarize": lambda image, share: ImageOps.solarize(image, round(255 * (1 - share))),
    "color": lambda image, share: ImageEnhance.Color(image).enhance(1 + 0.9 * share),
    "posterize": lambda image, share: ImageOps.posterize(image, 8 - round(4 * share)),
    "contrast": lambda image, share: ImageEnhance.Contrast(image).enhance(1 + 0.9 * share),
    "brightness": lambda image, share: ImageEnhance.Brightness(image).enhance(1 + 0.9 * share),
    "sharpness": lambda image, share: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * share),
    "shear_x": lambda image, share: sheared(image, 0.3 * share, 0),
    "shear_y": lambda image, share: sheared(image, 0, 0.3 * share),
    "translate_x": lambda image, share: moved(image, share * 150 / 331 * image.width, 0),
    "translate_y": lambda image, share: moved(image, 0, share * 150 / 331 * image.height),
}


def moved(image: Image.Image, right: float, down: float) -> Image.Image:
    """Pillow asks where in the input a pixel of the output comes from."""
    matrix = (1, 0, -right, 0, 1, -down)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def sheared(image: Image.Image, along_x: float, along_y: float) -> Image.Image:
    """About the centre; Pillow counts from the corner of the first pixel."""
    matrix = (1, -along_x, along_x * image.height / 2, -along_y, 1, along_y * image.width / 2)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def test_the_operations_are_those_of_the_paper() -> None:
    """Fourteen, each once."""
    assert list(PILLOW) == list(RAND_AUGMENT)
    assert len(RAND_AUGMENT) == 14


@pytest.mark.parametrize("name", RAND_AUGMENT)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_an_operation_does_what_pillow_does(name: str, share: float) -> None:
    """To a rounding; at borders that move, where the two libraries blend with black differently, not compared."""
    pixels = photo()
    tensor = torch.tensor(pixels).permute(2, 0, 1)[None] / 255
    found = (RAND_AUGMENT[name](tensor, share).clamp(0, 1) * 255).round()[0].permute(1, 2, 0).numpy()
    expected = np.asarray(PILLOW[name](Image.fromarray(pixels), share), float)
    both = (found > 0).all(axis=-1) & (expected > 0).all(axis=-1)
    inner = binary_erosion(both)
    compared = inner if name[:5] in ("rotat", "shear", "trans") else np.ones_like(both)
    assert compared.mean() > 0.3
    assert np.abs(found - expected)[compared].max() <= 1.001


@pytest.mark.parametrize("name", [name for name in RAND_AUGMENT if name not in ("auto_contrast", "equalize")])
def test_a_small_magnitude_changes_little_either_way(name: str) -> None:
    """1% of the greatest: not the black image that kornia's own RandAugment makes of it."""
    tensor = torch.tensor(photo()).permute(2, 0, 1)[None] / 255
    for share in (0.01, -0.01):
        assert float((RAND_AUGMENT[name](tensor, share) - tensor).abs().mean()) < 0.02


def test_a_constant_channel_survives_auto_contrast() -> None:
    """There is nothing to stretch."""
    grey = torch.full((1, 1, 4, 4), 0.3)
    assert torch.equal(RAND_AUGMENT["auto_contrast"](grey, 1.0), grey)


def test_as_many_operations_as_declared_at_the_declared_magnitude(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times a third of 0.3, each up or down."""
    monkeypatch.setattr(transforms_module, "RAND_AUGMENT", {"add": lambda image, share: image + 0.3 * share})
    grey = torch.full((1, 1, 1, 1), 0.5)
    rng = np.random.default_rng(0)
    found = {round(float(rand_augment(grey, 1 / 3, 3, rng)), 3) for _ in range(50)}
    assert found == {0.2, 0.4, 0.6, 0.8}


def test_an_image_of_one_channel_meets_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation is not drawn there, rather than drawn for nothing."""

    def colours(image: Tensor, share: float) -> Tensor:
        raise AssertionError("drawn")

    monkeypatch.setattr(transforms_module, "RAND_AUGMENT", {"color": colours, "identity": lambda image, share: image})
    rng = np.random.default_rng(0)
    rand_augment(torch.zeros(1, 1, 2, 2), 1, 20, rng)
    with pytest.raises(AssertionError, match="drawn"):
        rand_augment(torch.zeros(1, 3, 2, 2), 1, 20, rng)
