"""What a product that reads images, and no text, may not declare: its sections would have no effect."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.image_augmentation import MIXES, ImageAugmentations
from modelmill.specs.training import FineTuningSpec, TokenizationSpec

if TYPE_CHECKING:
    from modelmill.specs.product import ProductSpec

BATCH = 128
"""Images of a batch, unless declared."""

NOT_OF_TEXT = {"memory_mb", "benchmarks"}
"""What cleaning does to images, too."""


def reads_images_alone(reads: tuple[str, ...]) -> bool:
    """Whether records are images without text."""
    return "image" in reads and "text" not in reads


def why_not_of_images(product: "ProductSpec") -> Iterator[str]:
    """What does not fit together, of a product of any kind."""
    reads, kind = product.task.reads, product.task.kind
    for source in product.source.root:
        if source.holds_images != ("image" in reads):
            yield f"{kind} reads {' and '.join(reads)}, and the records of `{source.files}` are of another sort"
    if "image" not in reads and product.training.batch_images is not None:
        yield f"`training.batch_images` is for images, and {kind} reads {' and '.join(reads)}; leave it out"
    if not reads_images_alone(reads):
        return
    declared = product.cleaning.model_dump(exclude=NOT_OF_TEXT)
    plain = CleaningSpec().model_dump(exclude=NOT_OF_TEXT)
    wrong = [f"cleaning.{key}" for key, value in declared.items() if value != plain[key]]
    wrong += ["tokenization"] if product.tokenization != TokenizationSpec() else []
    wrong += ["training.batch_tokens"] if product.training.batch_tokens != FineTuningSpec().batch_tokens else []
    wrong += ["training.adversarial"] if product.training.adversarial else []
    for key in wrong:
        yield f"`{key}` is for texts, and {kind} reads images; leave it out"
    steps = product.augmentation.root if isinstance(product.augmentation, ImageAugmentations) else []
    for step in steps:
        if step.kind in MIXES:
            yield f"`augmentation` of the kind `{step.kind}` mixes batches, which training does not do; leave it out"
