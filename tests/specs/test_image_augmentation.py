"""The declaration of image steps."""

from typing import get_args

import pytest
from pydantic import ValidationError

from modelmill.specs.image_augmentation import STRENGTH, ImageAugmentations, ImageAugmentationSpec

KINDS = get_args(ImageAugmentationSpec.model_fields["kind"].annotation)


def test_each_kind_says_what_its_strength_means() -> None:
    """No kind without a meaning, and no meaning without a kind."""
    assert list(STRENGTH) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_resolved_steps_can_be_read_again(kind: str) -> None:
    """What parameters hold is the declaration plus the defaults of its kind, and means the same."""
    step = ImageAugmentationSpec.model_validate({"kind": kind, "strength": 0.5})
    assert ImageAugmentationSpec.model_validate(step.model_dump(mode="json")) == step
    assert step.copies == (None if kind in ("mixup", "cutmix") else 1)
    assert step.operations == (2 if kind == "rand_augment" else None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "flip", "strength": 1, "operations": 2}, "`operations` belongs to the kind `rand_augment`"),
        ({"kind": "mixup", "strength": 1, "copies": 1}, "`copies` belongs to the kinds that make copies"),
        ({"kind": "flip", "strength": 1, "copies": None}, "`copies` belongs to"),
        ({"kind": "flip", "strength": 1.1}, "less than or equal to 1"),
        ({"kind": "flip"}, "strength"),
        ({"kind": "flop", "strength": 1}, "Input should be 'flip'"),
        ("flip", "valid dictionary"),
    ],
)
def test_what_does_not_belong_is_refused(wrong: object, message: str) -> None:
    """A key that the kind would ignore, a share above one, a missing strength, an unknown kind."""
    with pytest.raises(ValidationError, match=message):
        ImageAugmentations.model_validate(wrong)
