"""Altered copies of the training split."""

from kedro.pipeline import Node, Pipeline

from modelmill.augmentation.augment import augment
from modelmill.augmentation.augment_images import augment_images


def for_product(*, images: bool) -> Pipeline:
    """train -> train_augmented, and some copies beside their originals; validation and test stay as they are."""
    inputs = ["train", "params:augmentation", "params:project_root"]
    function = augment_images if images else augment
    return Pipeline([Node(function, inputs, ["train_augmented", "augmentation_preview"], name="augment")])
