"""Altered copies of images: reproducible one by one, each step as strong as it says."""

import sys
from collections import Counter

import numpy as np
import pytest

from modelmill.augmentation.images import Pixels, alter_image, copy_images
from modelmill.augmentation.transforms_module import KINDS
from modelmill.errors import DataError, UserError
from modelmill.specs.image_augmentation import IN_COLOUR, MIXES, STRENGTH, ImageAugmentations, ImageAugmentationSpec

COPYING = [kind for kind in STRENGTH if kind not in MIXES]


def noisy(*shape: int) -> Pixels:
    """Images without any symmetry."""
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


def step(kind: str, strength: float, **options: object) -> ImageAugmentationSpec:
    """A step of a kind."""
    return ImageAugmentationSpec.model_validate({"kind": kind, "strength": strength, **options})


def test_every_kind_has_a_transform() -> None:
    """What can be declared can be done."""
    assert {*KINDS, "rand_augment", *MIXES} == set(STRENGTH)


@pytest.mark.parametrize("kind", COPYING)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_copy_differs_in_its_values_only(kind: str, channels: int) -> None:
    """Shape and type stay, the original is not touched; a file mapped for reading only will do."""
    if channels == 1 and kind in IN_COLOUR:
        return
    image = noisy(12, 9, channels)
    image.flags.writeable = False
    copy = alter_image(image, step(kind, 1), f"a+{kind}1")
    assert (copy.shape, copy.dtype) == (image.shape, image.dtype)
    assert (copy != image).any()
    assert (image == noisy(12, 9, channels)).all()


@pytest.mark.parametrize("kind", COPYING)
def test_strength_0_is_the_image(kind: str) -> None:
    """Nothing happens, so no copy is made."""
    images = noisy(2, 8, 8, 3)
    assert (alter_image(images[0], step(kind, 0), "a") == images[0]).all()
    made = copy_images(images, ["a", "b"], ["x", "y"], ImageAugmentations([step(kind, 0)]))
    assert made.images.shape == (0, 8, 8, 3)
    assert made.ids == made.rows == made.steps == []


@pytest.mark.parametrize("kind", COPYING)
def test_a_small_strength_changes_little(kind: str) -> None:
    """A smooth image at 1% of the strength is nearly the same; but RandAugment equalises at any strength."""
    down, across = np.mgrid[0:32, 0:32]
    image = np.stack([60 + 2 * down, 80 + 2 * across, 100 + down + across], axis=-1).astype(np.uint8)
    inside = (slice(3, -3), slice(3, -3))  # what comes in at the border is black
    near = [
        float(np.abs(alter_image(image, step(kind, 0.01), str(i))[inside].astype(int) - image[inside]).mean())
        for i in range(20)
    ]
    few = 8 if kind in ("rand_augment", "flip") else 0
    assert sum(change > 3 for change in near) <= few, near


@pytest.mark.parametrize("kind", COPYING)
def test_a_copy_follows_from_seed_id_and_number(kind: str) -> None:
    """Other records, their order and earlier calls make no difference; another seed, id or number does."""
    images, ids = noisy(4, 16, 16, 3), ["a", "b", "c", "d"]
    # Two neighbouring throws may both be heads: a flip is told by more copies.
    steps = ImageAugmentations([step(kind, 0.5, copies=8)])
    all_of_them = copy_images(images, ids, ["x"] * 4, steps)
    made = dict(zip(all_of_them.ids, all_of_them.images, strict=True))
    backwards = copy_images(images[::-1], ids[::-1], ["x"] * 4, steps)
    assert set(backwards.ids) == set(made)
    assert all((made[i] == image).all() for i, image in zip(backwards.ids, backwards.images, strict=True))
    alone = copy_images(images[2:3], ["c"], ["x"], steps)
    assert alone.ids == [i for i in all_of_them.ids if i.startswith("c+")]
    assert all((made[i] == image).all() for i, image in zip(alone.ids, alone.images, strict=True))

    other_seed = copy_images(images, ids, ["x"] * 4, ImageAugmentations([step(kind, 0.5, copies=8, seed=1)]))
    assert (other_seed.ids, other_seed.images.tobytes()) != (all_of_them.ids, all_of_them.images.tobytes())
    if kind != "flip":
        assert len({image.tobytes() for image in alone.images}) > 1


def test_copies_are_named_and_numbered() -> None:
    """Ids say which record and which step a copy comes from, as those of texts."""
    steps = ImageAugmentations([step("flip", 1), step("mixup", 1), step("rotate", 1, copies=2), step("flip", 1)])
    made = copy_images(noisy(2, 8, 8, 1), ["a", "b"], ["x", "y"], steps)
    assert made.ids == [
        "a+flip1", "b+flip1", "a+rotate1", "b+rotate1", "a+rotate2", "b+rotate2", "a+flip2", "b+flip2",
    ]  # fmt: skip
    assert made.rows == [0, 1] * 4
    assert made.steps == [0, 0, 2, 2, 2, 2, 3, 3]
    assert (made.images[0] == noisy(2, 8, 8, 1)[0, :, ::-1]).all()


def test_labels_are_balanced() -> None:
    """Rare labels get as many copies as they lack."""
    labels = list("xxxxxyyz")
    made = copy_images(
        noisy(8, 8, 8, 1), list("abcdefgh"), labels, ImageAugmentations([step("crop", 0.5, copies="balance")])
    )
    assert Counter([*labels, *(labels[row] for row in made.rows)]) == {"x": 5, "y": 5, "z": 5}


def test_a_flip_has_one_chance() -> None:
    """At 0.3, some 60 of 200 images have a copy; other kinds draw again until a copy differs."""
    images, ids = noisy(200, 4, 4, 1), [str(i) for i in range(200)]
    made = copy_images(images, ids, ids, ImageAugmentations([step("flip", 0.3), step("rand_augment", 0.3)]))
    assert 40 < made.steps.count(0) < 80
    assert made.steps.count(1) == 200


def test_what_cannot_differ_has_no_copy() -> None:
    """A blank image looks the same turned or cropped."""
    blank = np.zeros((1, 8, 8, 1), np.uint8)
    made = copy_images(blank, ["a"], ["x"], ImageAugmentations([step("rotate", 1), step("crop", 1), step("noise", 1)]))
    assert made.ids == ["a+noise1"]


def test_images_of_another_form_are_refused() -> None:
    """Values from 0 to 1, four channels or none, and colours of a grey image."""
    for wrong in (noisy(8, 8, 3) / 255, noisy(8, 8, 4), noisy(8, 8)):
        with pytest.raises(DataError, match="augmentation takes uint8 of shape"):
            alter_image(wrong, step("flip", 1), "a")
    for kind in IN_COLOUR:
        with pytest.raises(DataError, match=f"`{kind}` changes colours, and the images have one channel"):
            alter_image(noisy(8, 8, 1), step(kind, 1), "a")


@pytest.mark.parametrize("kind", COPYING)
@pytest.mark.parametrize("shape", [(1, 5, 3), (5, 1, 3), (2, 2, 3), (3, 3, 3), (0, 4, 3)])
def test_images_that_are_too_small_are_refused(kind: str, shape: tuple[int, ...]) -> None:
    """With the least size; what is not refused is altered, whatever is drawn."""
    least = {"blur": 2, "rand_augment": 3}.get(kind, 1)
    for strength in (0.3, 1):
        altering = step(kind, strength)
        if min(shape[:2]) < least:
            size = f"an image is {shape[1]} x {shape[0]} pixels"
            with pytest.raises(DataError, match=rf"{size}, and `{kind}` needs at least {least} a side"):
                alter_image(noisy(*shape), altering, "a")
        else:
            for number in range(10):
                assert alter_image(noisy(*shape), altering, f"a{number}").shape == shape


def test_kornia_is_asked_for_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says what to install."""
    import modelmill.augmentation

    monkeypatch.delattr(modelmill.augmentation, "transforms_module")
    monkeypatch.delitem(sys.modules, "modelmill.augmentation.transforms_module")
    monkeypatch.setitem(sys.modules, "kornia", None)
    monkeypatch.setitem(sys.modules, "kornia.enhance", None)
    with pytest.raises(UserError, match=r"pip install -e '.\[images\]'"):
        alter_image(noisy(8, 8, 1), step("flip", 1), "a")
