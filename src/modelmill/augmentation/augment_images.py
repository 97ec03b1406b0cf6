"""The training split and altered copies of its images."""

import polars as pl

from modelmill import images
from modelmill.augmentation.augment import PREVIEW
from modelmill.augmentation.copies import copy_id, plan_copies
from modelmill.augmentation.images import alter_image
from modelmill.records import IMAGE
from modelmill.specs.image_augmentation import ImageAugmentations, ImageAugmentationSpec

SHOWN = 5
"""Copies of each step in the preview."""


def augment_images(train: pl.DataFrame, steps: ImageAugmentations, root: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add altered copies of images; validation and test records are never seen here.

    Args:
        train: training records with images.
        steps: what was declared; every step alters the original images, not the copies of other steps.
        root: not needed; texts have lexicons there.

    Returns:
        as `augment` does. Before and after are the addresses of the pixels: a table shows no picture.

    Raises:
        DataError: where an image is too small for a step, or has no colours to change.
        UserError: where kornia is missing.
    """
    made = [(step, step.copies) for step in steps.root if step.copies is not None]
    plan = plan_copies(train["label"].to_list(), [(step.kind, copies) for step, copies in made])
    copies = [_copies(train, step, rows) for (step, _), rows in zip(made, plan, strict=True)]
    shown = [
        table.head(SHOWN)
        .with_columns(original=pl.col("id").str.replace(r"\+[a-z_]+\d+$", ""))
        .join(train.select("id", before="text"), left_on="original", right_on="id", maintain_order="left")
        .select("id", "label", "before", after="text")
        for table in copies
    ]
    return pl.concat([train, *copies]), pl.concat([pl.DataFrame(schema=PREVIEW), *shown])


def _copies(train: pl.DataFrame, step: ImageAugmentationSpec, rows: list[tuple[int, int]]) -> pl.DataFrame:
    """The copies of one step, without those that came out as their originals; `rows` are row and number of each."""
    found: list[tuple[int, str, str, bytes]] = []
    for row, number in rows:
        identity = copy_id(train["id"][row], step.kind, number)
        pixels = alter_image(images.decoded(train[IMAGE][row]), step, identity)
        if (address := images.address(pixels)) != train["text"][row]:
            found.append((row, identity, address, images.encoded(pixels)))
    schema = {"row": pl.Int64, "id": pl.String, "text": pl.String, IMAGE: pl.Binary}
    made = pl.DataFrame(found, schema=schema, orient="row")
    return train[made["row"]].with_columns(made["id"], made["text"], made[IMAGE])
