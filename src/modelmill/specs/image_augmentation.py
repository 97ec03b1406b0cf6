"""Altered copies of images."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, RootModel, model_validator

from modelmill.specs.base import OneOrMore, Share, Spec

STRENGTH = {
    "flip": "chance that a copy is mirrored, left to right",
    "rotate": "turned by up to this share of half a turn, either way",
    "shift": "moved by up to this share of the width and of the height, either way",
    "zoom": "enlarged by up to this share, or shrunk as much: at 1 from half to double size",
    "crop": "up to this share of the area is cut away, and the rest brought back to the size",
    "perspective": "each corner moves inwards by up to this share of a quarter of the width and of the height",
    "brightness": "all values times 1 plus or minus up to this share",
    "contrast": "distances from the mean grey times 1 plus or minus up to this share",
    "saturation": "distances from the grey picture times 1 plus or minus up to this share",
    "hue": "colours turned by up to this share of half the colour circle, either way",
    "blur": "Gaussian with a standard deviation of up to this share of a tenth of the shorter side",
    "noise": "Gaussian with a standard deviation of up to this share of the range from black to white",
    "erase": "a rectangle of up to this share of the area becomes noise",
    "rand_augment": "share of each operation's greatest magnitude",
    "mixup": "alpha of the Beta distribution that the share of each image is drawn from",
    "cutmix": "alpha of the Beta distribution that the share of the area is drawn from",
}
"""What the strength of each kind scales."""

MIXES = frozenset({"mixup", "cutmix"})
"""Kinds that mix the images of a batch, with their labels, instead of making copies."""

IN_COLOUR = frozenset({"saturation", "hue"})
"""Kinds that images of one channel have nothing for."""


class ImageAugmentationSpec(Spec):
    """Altered copies of training images, or batches of them mixed."""

    kind: Literal[
        "flip", "rotate", "shift", "zoom", "crop", "perspective", "brightness", "contrast", "saturation", "hue", "blur",
        "noise", "erase", "rand_augment", "mixup", "cutmix",
    ]  # fmt: skip
    strength: Share = Field(
        description="0 leaves an image as it is; " + "; ".join(f"`{kind}`: {text}" for kind, text in STRENGTH.items())
    )
    copies: Annotated[int, Field(ge=1)] | Literal["balance"] | None = Field(
        None,
        description="altered copies per image, 1 unless declared, or as many as bring every label up to the most "
        "frequent one; `mixup` and `cutmix` make none",
    )
    operations: Annotated[int, Field(ge=1)] | None = Field(
        None, description="`rand_augment`: operations that a copy goes through, 2 unless declared"
    )
    seed: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_kind(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        copies = {} if given.get("kind") in MIXES else {"copies": 1}
        operations = {"operations": 2} if given.get("kind") == "rand_augment" else {}
        return {**copies, **operations, **given}

    @model_validator(mode="after")
    def _what_the_kind_has(self) -> Self:
        if (self.copies is None) != (self.kind in MIXES):
            raise ValueError(f"`copies` belongs to the kinds that make copies; this kind is `{self.kind}`")
        if (self.operations is None) != (self.kind != "rand_augment"):
            raise ValueError(f"`operations` belongs to the kind `rand_augment`; this kind is `{self.kind}`")
        return self


class ImageAugmentations(RootModel[Annotated[list[ImageAugmentationSpec], OneOrMore()]]):
    """One augmentation or a list of them."""
