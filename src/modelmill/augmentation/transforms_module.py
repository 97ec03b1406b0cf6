"""The transforms of one image, by kornia. Here an image is a float tensor (1, channels, height, width) from 0 to 1.

What strength means is said in `specs/image_augmentation.py`; each draw is uniform. What comes in from outside is black.
"""

import math
from collections.abc import Callable

import kornia.enhance as colour
import kornia.geometry.transform as geometry
import numpy as np
import torch
from kornia.filters import gaussian_blur2d
from numpy.typing import NDArray
from torch import Tensor

from modelmill.specs.image_augmentation import ImageAugmentationSpec

Draws = np.random.Generator


def transform(image: NDArray[np.uint8], step: ImageAugmentationSpec, rng: Draws) -> NDArray[np.uint8]:
    """The image (height, width, channels) altered once; the strength is above 0."""
    tensor = torch.tensor(image).permute(2, 0, 1)[None] / 255
    if step.operations is not None:
        altered = rand_augment(tensor, step.strength, step.operations, rng)
    else:
        altered = KINDS[step.kind](tensor, step.strength, rng)
    pixels: NDArray[np.uint8] = (altered.clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).numpy()
    return pixels


def flip(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Mirrored, left to right."""
    return image.flip(-1) if rng.random() < strength else image


def rotate(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Turned about the centre."""
    return _turned(image, 180 * strength * _either_way(rng))


def shift(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Moved along both axes."""
    return _moved(image, strength * _either_way(rng), strength * _either_way(rng))


def zoom(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Larger or smaller about the centre; as often one as the other."""
    return geometry.scale(image, torch.tensor([(1 + strength) ** _either_way(rng)]))


def crop(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """A part of the image, of its proportions, brought back to its size."""
    height, width = image.shape[-2:]
    side = math.sqrt(1 - strength * rng.random())
    rows, columns = max(1, round(height * side)), max(1, round(width * side))
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    return geometry.resize(image[..., top : top + rows, left : left + columns], (height, width))


def perspective(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Seen from aside. Up to a quarter of a side the four corners stay convex; from a third on they may not."""
    height, width = image.shape[-2:]
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # (x, y)
    moved = corners + (1 - 2 * corners) * rng.random((4, 2)) * strength / 4
    source, target = (torch.tensor(points * (width - 1, height - 1))[None].float() for points in (corners, moved))
    return geometry.warp_perspective(image, geometry.get_perspective_transform(source, target), (height, width))


def brightness(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Lighter or darker."""
    return colour.adjust_brightness_accumulative(image, 1 + strength * _either_way(rng))


def contrast(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Farther from the mean grey or nearer to it."""
    return colour.adjust_contrast_with_mean_subtraction(image, 1 + strength * _either_way(rng))


def saturation(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Farther from the grey picture or nearer to it."""
    return colour.adjust_saturation_with_gray_subtraction(image, 1 + strength * _either_way(rng))


def hue(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Other colours of the same saturation."""
    return colour.adjust_hue(image, math.pi * strength * _either_way(rng))


def blur(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Out of focus."""
    sigma = max(0.01, strength * rng.random() * min(image.shape[-2:]) / 10)  # a kernel of width 0 is none
    return gaussian_blur2d(image, 2 * math.ceil(3 * sigma) + 1, (sigma, sigma))


def noise(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """Grainy: each value by itself."""
    return image + strength * rng.random() * torch.tensor(rng.standard_normal(image.shape, np.float32))


def erase(image: Tensor, strength: float, rng: Draws) -> Tensor:
    """A rectangle of noise (Zhong et al. 2017, arXiv:1708.04896), its sides up to 1 to 3.3 in a square image."""
    height, width = image.shape[-2:]
    area = strength * rng.random()
    narrow = max(math.log(0.3), math.log(area or 1))
    stretch = math.exp(rng.uniform(narrow, -narrow) / 2)
    rows, columns = (round(side) for side in (height * math.sqrt(area) * stretch, width * math.sqrt(area) / stretch))
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    erased = image.clone()
    part = erased[..., top : top + rows, left : left + columns]
    part.copy_(torch.tensor(rng.random(part.shape, np.float32)))
    return erased


KINDS: dict[str, Callable[[Tensor, float, Draws], Tensor]] = {
    "flip": flip,
    "rotate": rotate,
    "shift": shift,
    "zoom": zoom,
    "crop": crop,
    "perspective": perspective,
    "brightness": brightness,
    "contrast": contrast,
    "saturation": saturation,
    "hue": hue,
    "blur": blur,
    "noise": noise,
    "erase": erase,
}


def rand_augment(image: Tensor, strength: float, operations: int, rng: Draws) -> Tensor:
    """Some operations of `RAND_AUGMENT`, drawn with replacement, each at the same share of its greatest magnitude.

    Cubuk et al. 2019, arXiv:1909.13719. kornia's own is not used: there a small magnitude blackens the image.
    """
    names = [name for name in RAND_AUGMENT if name != "color" or image.shape[1] == 3]
    for name in rng.choice(names, operations):
        image = RAND_AUGMENT[name](image, float(strength * rng.choice((-1, 1)))).clamp(0, 1)
    return image


RAND_AUGMENT: dict[str, Callable[[Tensor, float], Tensor]] = {
    "identity": lambda image, _: image,
    "auto_contrast": lambda image, _: _auto_contrast(image),
    "equalize": lambda image, _: colour.equalize(image),
    "rotate": lambda image, share: _turned(image, 30 * share),
    "solarize": lambda image, share: colour.solarize(image, 1 - abs(share)),
    "color": lambda image, share: colour.adjust_saturation_with_gray_subtraction(image, 1 + 0.9 * share),
    "posterize": lambda image, share: colour.posterize(image, 8 - round(4 * abs(share))),
    "contrast": lambda image, share: colour.adjust_contrast_with_mean_subtraction(image, 1 + 0.9 * share),
    "brightness": lambda image, share: colour.adjust_brightness_accumulative(image, 1 + 0.9 * share),
    "sharpness": lambda image, share: colour.sharpness(image, 1 + 0.9 * share),
    "shear_x": lambda image, share: _sheared(image, 0.3 * share, 0),
    "shear_y": lambda image, share: _sheared(image, 0, 0.3 * share),
    "translate_x": lambda image, share: _moved(image, share * 150 / 331, 0),
    "translate_y": lambda image, share: _moved(image, 0, share * 150 / 331),
}
"""The fourteen of the paper, from nothing to the greatest magnitude of AutoAugment (arXiv:1805.09501), either way."""


def _either_way(rng: Draws) -> float:
    return rng.uniform(-1, 1)


def _turned(image: Tensor, degrees: float) -> Tensor:
    return geometry.rotate(image, torch.tensor([degrees]))


def _moved(image: Tensor, right: float, down: float) -> Tensor:
    """By shares of the width and of the height."""
    height, width = image.shape[-2:]
    return geometry.translate(image, torch.tensor([[right * width, down * height]]))


def _sheared(image: Tensor, along_x: float, along_y: float) -> Tensor:
    """About the centre."""
    height, width = image.shape[-2:]
    matrix = [[1, along_x, -along_x * (height - 1) / 2], [along_y, 1, -along_y * (width - 1) / 2]]
    return geometry.warp_affine(image, torch.tensor([matrix]), (height, width))


def _auto_contrast(image: Tensor) -> Tensor:
    """Each channel from 0 to 1; one that is all the same stays."""
    low, high = image.amin((-2, -1), keepdim=True), image.amax((-2, -1), keepdim=True)
    return torch.where(high > low, (image - low) / (high - low), image)
