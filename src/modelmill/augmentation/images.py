"""Altered copies of images.

Images are uint8 arrays (images, height, width, channels) of one channel or three (RGB).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from modelmill.augmentation.copies import copy_id, plan_copies
from modelmill.errors import DataError, UserError
from modelmill.images import Pixels
from modelmill.specs.image_augmentation import IN_COLOUR, ImageAugmentations, ImageAugmentationSpec

LEAST_SIDE = {"blur": 2, "rand_augment": 3}
"""Pixels of the shorter side that a kind's filters need; `rand_augment` may sharpen. Others need one."""

TRIES = 20
"""Draws after which a copy that still is its original is given up: a blank image looks the same turned."""


@dataclass(frozen=True)
class ImageCopies:
    """Altered copies, in the order of the steps; all lists have the length of `images`."""

    images: Pixels
    ids: list[str]
    """`<id of the original>+<kind><number>`."""
    rows: list[int]
    """Places of their originals."""
    steps: list[int]
    """Places of the steps that made them."""


def copy_images(images: Pixels, ids: Sequence[str], labels: Sequence[str], steps: ImageAugmentations) -> ImageCopies:
    """The altered copies that the steps make; steps that mix batches make none.

    Every step alters the originals, not the copies of other steps. A copy that comes out as its original is left out.

    Args:
        images: of the training records, (records, height, width, channels).
        ids: of the records.
        labels: of the records.
        steps: what was declared.

    Raises:
        DataError: where the images are of another form or too small, or a step changes colours and they have none.
        UserError: where kornia is missing.
    """
    made = [(place, step, step.copies) for place, step in enumerate(steps.root) if step.copies is not None]
    plan = plan_copies(labels, [(step.kind, copies) for _, step, copies in made])
    altered: list[Pixels] = []
    origins: list[tuple[str, int, int]] = []
    for (place, step, _), rows in zip(made, plan, strict=True):
        for row, number in rows:
            identity = copy_id(ids[row], step.kind, number)
            image = alter_image(images[row], step, identity)
            if not np.array_equal(image, images[row]):
                altered.append(image)
                origins.append((identity, row, place))
    return ImageCopies(
        np.stack(altered) if altered else images[:0],
        [identity for identity, _, _ in origins],
        [row for _, row, _ in origins],
        [place for _, _, place in origins],
    )


def alter_image(image: Pixels, step: ImageAugmentationSpec, identity: str) -> Pixels:
    """One copy of an image (height, width, channels), which follows from the seed of the step and the copy's id.

    Images go through kornia one by one: in a batch its means differ in the last bit, and at 224 x 224 pixels it is no
    faster.

    Raises:
        DataError: where the image is of another form or too small, or the step changes colours and it has none.
        UserError: where kornia is missing.
    """
    assert step.copies is not None, step.kind
    _check(image, step)
    if not step.strength:
        return image
    rng = np.random.default_rng(list(f"{step.seed}:{identity}".encode()))
    tries = 1 if step.kind == "flip" else TRIES  # or its chance would be that of twenty throws
    copies = (_transforms().transform(image, step, rng) for _ in range(tries))
    return next((copy for copy in copies if not np.array_equal(copy, image)), image)


def _check(image: Pixels, step: ImageAugmentationSpec) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise DataError(
            f"an image is {image.dtype} of shape {image.shape}; "
            "augmentation takes uint8 of shape (height, width, 1 or 3)."
        )
    if min(image.shape[:2]) < (least := LEAST_SIDE.get(step.kind, 1)):
        raise DataError(
            f"an image is {image.shape[1]} x {image.shape[0]} pixels, and `{step.kind}` needs at least {least} a side; "
            "leave the image or the step out."
        )
    if step.kind in IN_COLOUR and image.shape[-1] == 1:
        raise DataError(f"`{step.kind}` changes colours, and the images have one channel; take the step out.")


def _transforms() -> ModuleType:
    try:
        from modelmill.augmentation import transforms_module
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "kornia":
            raise
        raise UserError("augmentation of images needs kornia: `pip install -e '.[images]'`.") from None
    return transforms_module
