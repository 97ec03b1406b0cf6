"""Fine-tuning of a model of images with a head, as a Lightning module."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.head import Head
from modelmill.tasks.image_tensors import Images
from modelmill.tasks.text_module import step_factors
from modelmill.training.module import Batches, TrainedModule
from modelmill.training.parameters_module import layer_rates, parameter_groups

Batch = tuple[torch.Tensor, torch.Tensor, float]
"""Pixels uint8 (images, height, width, channels), targets (images, ...) and a factor on their mean loss: with it, the
mean over a step's batches (or parts of them) is the mean over its images. Of targets there may be fewer than of images:
those behind them have no part in anything."""


class Normaliser(nn.Module):
    """Pixels as a model reads them: (images, channels, height, width), mean 0 and deviation 1 in training. In memory
    channels come last, as they do in an image: convolutions on processors are faster so.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, mean: list[float], deviation: list[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation), persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised."""
        return ((pixels / 255 - self.mean) / self.deviation).permute(0, 3, 1, 2)


class ImageModule(TrainedModule):
    """A model of transformers with a head, trained on batches of so many images."""

    def __init__(self, model: Any, train: Images, spec: FineTuningSpec, head: Head) -> None:
        assert spec.batch_images, "a product's spec names it"
        self.per_batch = spec.batch_images
        total_steps = spec.max_epochs * math.ceil(self._batch_count(len(train)) / spec.accumulate)
        super().__init__(model, spec, total_steps, decay=1 - spec.warmup, schedule=spec.schedule)
        self.train_images = train
        self.spec = spec
        self.head = head
        self.score = head.score
        self.normalise = Normaliser(train.mean, train.deviation)

    def _batch_count(self, images: int) -> int:
        return math.ceil(images / self.per_batch)

    def epoch_batches(self, epoch: int) -> tuple[Callable[[int], Batch], int]:
        """In an order that follows from seed and epoch; sizes differ by one at most, so that none is of one image,
        of which batch normalisation could tell no variance.
        """
        order = np.random.default_rng((self.spec.seed, epoch)).permutation(len(self.train_images))
        batches = np.array_split(order, self._batch_count(len(order)))
        factors = step_factors([[rows] for rows in batches], self.spec.accumulate)
        return lambda i: (*self._tensors(self.train_images, batches[i]), factors[i]), len(batches)

    def _tensors(self, images: Images, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(images.pixels[rows]), torch.from_numpy(images.labels[rows])

    def largest_batch(self) -> Batch:
        """All have one form."""
        return (*self._tensors(self.train_images, np.arange(min(self.per_batch, len(self.train_images)))), 1.0)

    def part(self, batch: Batch, part: int, parts: int) -> Batch:
        """Some of the images."""
        pixels, labels, factor = batch
        own = labels[part::parts]
        share = factor * parts * len(own) / len(labels)
        return (pixels[part::parts] if len(own) else pixels[:1]), own, share

    def validation_batches(self, validation: Images, images: int) -> Batches:
        """Batches of so many images."""
        batches = np.array_split(np.arange(len(validation)), math.ceil(len(validation) / images))
        return Batches(lambda i: (*self._tensors(validation, batches[i]), 1.0), len(batches))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Rates by layer."""
        return parameter_groups(self.model, self.spec, layer_rates(self.model, self.spec.layer_decay), self.spec.l1)

    def _logits(self, pixels: torch.Tensor, count: int) -> torch.Tensor:
        logits: torch.Tensor = self.model(pixel_values=self.normalise(pixels)).logits
        return logits[:count].float()

    def loss(self, batch: Batch) -> torch.Tensor:
        """That of the head, in the mean over the images."""
        pixels, labels, _ = batch
        return self.head.loss(self._logits(pixels, len(labels)), labels)

    def losses(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss; of a part without images it is 0, and reaches every weight."""
        pixels, labels, factor = batch
        total = self.loss(batch) * factor if len(labels) else self._logits(pixels, 1).sum() * 0
        return total, {"train_loss": total}

    def sizes(self, batch: Batch) -> tuple[int, int]:
        """Images, in both places: they stand for tokens, too."""
        return len(batch[1]), len(batch[1])

    def validation_step(self, counted: tuple[Batch, bool], _: int) -> None:
        """The head's plain loss and its score on the validation split."""
        batch, counts = counted
        pixels, labels = batch[:2]
        logits = self._logits(pixels, len(labels))
        count = len(labels) * counts
        self.judge("loss", self.head.plain_loss(logits, labels), count)
        if counts:
            self.score.update(logits, labels)
        self.log(f"validation_{self.head.monitor}", self.score, prog_bar=True, batch_size=count)
