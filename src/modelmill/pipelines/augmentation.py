"""Altered copies of the training split."""

from kedro.pipeline import Node, Pipeline

from modelmill.augmentation import augment


def for_product() -> Pipeline:
    """train -> train_augmented; validation and test stay as they are."""
    return Pipeline([Node(augment, ["train", "params:augmentation"], "train_augmented", name="augment")])
