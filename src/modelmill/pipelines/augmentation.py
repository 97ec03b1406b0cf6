"""Altered copies of the training split."""

from kedro.pipeline import Node, Pipeline

from modelmill.augmentation.augment import augment


def for_product() -> Pipeline:
    """train -> train_augmented, and some copies beside their originals; validation and test stay as they are."""
    inputs = ["train", "params:augmentation", "params:project_root"]
    return Pipeline([Node(augment, inputs, ["train_augmented", "augmentation_preview"], name="augment")])
