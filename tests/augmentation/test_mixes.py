"""MixUp and CutMix: labels say what is in the images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from modelmill.augmentation.mixes import mix_images
from modelmill.specs.image_augmentation import ImageAugmentationSpec

MIXES = ["mixup", "cutmix"]


def step(kind: str, strength: float = 1, seed: int = 0) -> ImageAugmentationSpec:
    """A step that mixes."""
    return ImageAugmentationSpec.model_validate({"kind": kind, "strength": strength, "seed": seed})


def flat(count: int) -> np.ndarray:
    """Images of one value each, with 255 in the last."""
    values = np.linspace(0, 255, count).astype(np.uint8)
    return np.broadcast_to(values[:, None, None, None], (count, 20, 30, 3)).copy()


@pytest.mark.parametrize("kind", MIXES)
@given(count=st.integers(2, 9), strength=st.floats(1e-3, 1), seed=st.integers(0, 999))
def test_labels_are_the_shares_of_the_images(kind: str, count: int, strength: float, seed: int) -> None:
    """The mean of an image is the mean of what its label says that it is made of."""
    images = flat(count)
    mixed, labels = mix_images(images, np.eye(count), step(kind, strength, seed))
    assert mixed.shape == images.shape
    assert mixed.dtype == np.uint8
    assert labels.sum(axis=1) == pytest.approx(np.ones(count), abs=1e-6)
    assert (np.count_nonzero(labels, axis=1) <= 2).all()
    assert mixed.mean(axis=(1, 2, 3)) == pytest.approx(labels @ images[:, 0, 0, 0].astype(float), abs=0.51)


def test_mixup_shines_through_and_cutmix_is_a_rectangle() -> None:
    """One value everywhere, or two whose border is straight."""
    blended, _ = mix_images(flat(8), np.eye(8), step("mixup"))
    assert all(len(np.unique(image)) == 1 for image in blended)
    pasted, labels = mix_images(flat(8), np.eye(8), step("cutmix"))
    rectangles = 0
    for place, image in enumerate(pasted):
        other = (image != flat(8)[place]).any(axis=-1)
        assert other.any(axis=1).sum() * other.any(axis=0).sum() == other.sum()
        assert labels[place, place] == pytest.approx(1 - other.mean(), abs=1e-6)
        rectangles += 0 < other.mean() < 1
    assert rectangles > 3


@pytest.mark.parametrize("kind", MIXES)
def test_a_batch_follows_from_seed_and_number(kind: str) -> None:
    """The same again; another seed or another batch is mixed in another way."""
    first, again, other_seed, other_batch = (
        mix_images(flat(9), np.eye(9), step(kind, seed=seed), batch)[1].tolist()
        for seed, batch in ((3, 4), (3, 4), (4, 4), (3, 5))
    )
    assert first == again
    assert first != other_seed
    assert first != other_batch
    assert other_seed != other_batch


@pytest.mark.parametrize("kind", MIXES)
def test_strength_0_is_the_batch(kind: str) -> None:
    """Images and labels as they came; neither is written to at any strength."""
    images, labels = flat(5), np.eye(5)
    mixed, soft = mix_images(images, labels, step(kind, 0))
    assert (mixed == images).all()
    assert (soft == labels).all()
    mix_images(images, labels, step(kind))
    assert (images == flat(5)).all()
    assert (labels == np.eye(5)).all()


def own_shares(kind: str, strength: float) -> np.ndarray:
    """What is left of 2,000 images or so, those whose partners have the other label, where it can be seen."""
    images, labels = np.zeros((4000, 40, 40, 1), np.uint8), np.eye(2)[np.arange(4000) % 2]
    _, soft = mix_images(images, labels, step(kind, strength))
    own = soft[np.arange(4000), np.arange(4000) % 2]
    partners = np.random.default_rng((0, 0)).permutation(4000)
    return own[partners % 2 != np.arange(4000) % 2]


@pytest.mark.parametrize("strength", [0.1, 0.4, 1])
def test_strength_is_alpha_of_the_beta_distribution(strength: float) -> None:
    """Shares lie in the lower quarter and in the middle half as often as scipy says."""
    own = own_shares("mixup", strength)
    for low, high in ((0, 0.25), (0.25, 0.75)):
        expected = beta.cdf(high, strength, strength) - beta.cdf(low, strength, strength)
        assert np.mean((low <= own) & (own < high)) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("strength", [0.1, 0.4, 1])
def test_a_rectangle_that_the_border_does_not_cut_has_the_share_that_was_drawn(strength: float) -> None:
    """Small ones seldom meet it: as many leave 90% to 98% as scipy says, or some more that were cut."""
    own = own_shares("cutmix", strength)
    expected = beta.cdf(0.98, strength, strength) - beta.cdf(0.9, strength, strength)
    assert expected - 0.02 < np.mean((own > 0.9) & (own < 0.98)) < expected + 0.06


def test_soft_labels_stay_soft() -> None:
    """A label that is already a mixture is mixed like any other."""
    labels = np.array([[0.5, 0.5, 0], [0, 0.2, 0.8]])
    seeds = [mix_images(flat(2), labels, step("mixup", seed=seed))[1] for seed in range(5)]
    for soft in seeds:
        assert soft.sum(axis=1) == pytest.approx(np.ones(2), abs=1e-6)
    assert any(0 < soft[0, 2] < 0.8 for soft in seeds)
