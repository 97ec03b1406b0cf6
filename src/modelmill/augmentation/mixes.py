"""Batches of images mixed with each other, and their labels likewise.

mixup: Zhang et al. 2017, arXiv:1710.09412. cutmix: Yun et al. 2019, arXiv:1905.04899.
"""

import numpy as np
from numpy.typing import NDArray

from modelmill.images import Pixels
from modelmill.specs.image_augmentation import MIXES, ImageAugmentationSpec

Shares = NDArray[np.float64]


def mix_images(
    images: Pixels, labels: NDArray[np.floating], step: ImageAugmentationSpec, batch: int = 0
) -> tuple[Pixels, NDArray[np.float32]]:
    """Each image of a batch mixed with one of the batch, drawn by a permutation.

    Args:
        images: (images, height, width, channels).
        labels: one-hot or soft, (images, classes).
        step: of kind `mixup`: both images, one shining through the other; or `cutmix`: a rectangle of the other image.
            What is left of an image is a share drawn for it from Beta(strength, strength).
        batch: number of the batch, so that each is mixed in its own way.

    Returns:
        images and labels of the same shapes; a label is the mean of both, weighted by the shares of the images.
    """
    assert step.kind in MIXES, step.kind
    soft = labels.astype(np.float32)
    if not step.strength:
        return images, soft
    rng = np.random.default_rng((step.seed, batch))
    partners = rng.permutation(len(images))
    shares = rng.beta(step.strength, step.strength, len(images))
    if step.kind == "mixup":
        mixed = _blend(images, images[partners], shares)
    else:
        mixed, shares = _paste(images, images[partners], shares, rng)
    own = shares.astype(np.float32)[:, None]
    return mixed, own * soft + (1 - own) * soft[partners]


def _blend(images: Pixels, others: Pixels, shares: Shares) -> Pixels:
    own = shares[:, None, None, None]
    return np.rint(own * images + (1 - own) * others).astype(np.uint8)


def _paste(images: Pixels, others: Pixels, shares: Shares, rng: np.random.Generator) -> tuple[Pixels, Shares]:
    """Images with a rectangle of others, and the shares that it leaves. The border may cut it, as in the paper."""
    count, height, width = images.shape[:3]
    half = np.sqrt(1 - shares)[:, None] * (height, width) / 2
    centre = rng.uniform(size=(count, 2)) * (height, width)
    starts = np.rint(np.maximum(centre - half, 0)).astype(int)
    ends = np.rint(np.minimum(centre + half, (height, width))).astype(int)
    mixed = images.copy()
    for place, ((top, left), (bottom, right)) in enumerate(zip(starts, ends, strict=True)):
        mixed[place, top:bottom, left:right] = others[place, top:bottom, left:right]
    return mixed, 1 - (ends - starts).prod(axis=1) / (height * width)
