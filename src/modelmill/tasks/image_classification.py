"""Image classification: one of a few labels for each image, by a model of transformers (ResNet, ViT and their like)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.digest import tensor_digest
from modelmill.errors import DataError
from modelmill.records import IMAGE
from modelmill.specs.kinds import ImageClassificationSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.class_task import ClassTask, class_head
from modelmill.tasks.head import Head
from modelmill.tasks.image_tensors import PREPROCESSOR, Form, ImageEncoding, load_tensors
from modelmill.tasks.linear import linear_pixel_probabilities
from modelmill.tasks.task import Columns
from modelmill.training.architectures import check_loaded
from modelmill.training.class_weights import class_weights
from modelmill.training.fit import FitPlan, fit
from modelmill.training.prepare import prepared
from modelmill.training.processes import Made
from modelmill.training.work import Work, clear

BATCH = 256
"""Images of a batch at prediction."""


class ImageClassification(ClassTask):
    """One label for each image; the epoch with the best macro-F1 on the validation split is kept."""

    packages: ClassVar[tuple[str, ...]] = ("pillow",)

    @property
    def inputs(self) -> Columns:
        """The bytes of a file in any format that Pillow reads."""
        return [(IMAGE, "binary")]

    def encode(self, splits: Mapping[str, pl.DataFrame], backbone: Path, spec: TokenizationSpec) -> ImageEncoding:
        """See `Task.encode`: pixels as the backbone reads them."""
        assert isinstance(self.spec, ImageClassificationSpec)
        names = self.label_names(splits["train"])
        form = Form.of(backbone, splits["train"][IMAGE][0], self.spec.size)
        about = {"task": self.spec.model_dump(mode="json"), "labels": names}
        return ImageEncoding(splits, form, lambda records: self.targets(records, names), about)

    def train(
        self, tensors: Path, backbone: Path, spec: FineTuningSpec, checkpoints: Path, *, random_start: bool
    ) -> Made:
        """See `Task.train`."""
        import pytorch_lightning as lightning

        from modelmill.tasks.image_module import ImageModule

        about, form, splits = load_tensors(tensors)
        names: list[str] = about["labels"]
        head = class_head(names, spec, class_weights(spec, splits["train"].labels, names))
        lightning.seed_everything(spec.seed, verbose=False)
        model = new_model(backbone, head, spec.dropout, random_start)
        read = [(tensors / "tokens.json").read_text(encoding="utf-8"), tensor_digest(backbone), random_start]
        with prepared(model, spec) as sizes:
            module = ImageModule(model, splits["train"], spec, head)
            validation = module.validation_batches(splits["validation"], BATCH)
            curves, report = fit(module, validation, _plan(spec, head), Work.of(checkpoints, spec, read))
        training = spec.model_dump(mode="json")
        product = {
            "task": about["task"],
            "labels": names,
            "max_tokens": None,
            "trained_on_sha256": about["records_sha256"],
            "random_start": random_start,
            "training": training,
            "precision": report["precision"],
        }
        report = {**training, **sizes, "monitor": head.monitor, **report}
        return curves, report, TrainedImageModel(model, form, product, checkpoints)

    def predictor(self, model: Path) -> "ImagePredictor":
        """See `Task.predictor`."""
        return ImagePredictor(self, model)

    def baselines(self, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """The most frequent label, and a linear model on pixels."""
        linear = linear_pixel_probabilities(train, validation, test, self.label_names(train))
        return self.class_baselines(train, test, linear)


@dataclass(frozen=True)
class TrainedImageModel:
    """A fine-tuned model, ready to be saved as a model folder."""

    model: Any
    form: Form
    product: dict[str, Any]
    checkpoints: Path

    def save(self, folder: Path) -> None:
        """Write safetensors, config, `preprocessor_config.json` and `product.json`."""
        self.model.save_pretrained(folder)
        for name, content in ((PREPROCESSOR, self.form.preprocessor()), ("product.json", self.product)):
            (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")

    def saved(self) -> None:
        """The state of the training is not needed any more."""
        clear(self.checkpoints)


class ImagePredictor:
    """A model folder that answers images. Evaluation and the registered version use this one."""

    def __init__(self, task: ImageClassification, folder: Path) -> None:
        from transformers import AutoModelForImageClassification
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._task = task
        self.product: dict[str, Any] = json.loads((folder / "product.json").read_text(encoding="utf-8"))
        read = json.loads((folder / PREPROCESSOR).read_text(encoding="utf-8"))
        self.model = AutoModelForImageClassification.from_pretrained(folder).eval()
        size, channels = read["size"], self.model.config.num_channels
        self.form = Form(size["height"], size["width"], channels, read["image_mean"], read["image_std"])

    def answers(self, records: pl.DataFrame) -> pl.DataFrame:
        """See `Predictor.answers`."""
        return self._task.answers(self.logits(records[IMAGE].to_list()), self.product)

    def logits(self, files: Sequence[bytes]) -> NDArray[np.float64]:
        """What the head says, (images, outputs).

        Raises:
            DataError: for bytes that are no image.
        """
        import torch

        from modelmill.tasks.image_module import Normaliser

        assert self.form.mean is not None, "a trained model has it"
        assert self.form.deviation is not None
        normalise = Normaliser(self.form.mean, self.form.deviation)
        result = np.zeros((len(files), self.model.config.num_labels))
        with torch.inference_mode():
            for start in range(0, len(files), BATCH):
                try:
                    pixels = self.form.stacked(list(files[start : start + BATCH]))
                except ValueError as error:
                    raise DataError(f"an image from number {start + 1} on cannot be read: {error}") from None
                logits = self.model(pixel_values=normalise(torch.from_numpy(pixels))).logits
                result[start : start + len(pixels)] = logits.double().numpy()
        return result


def _plan(spec: FineTuningSpec, head: Head) -> FitPlan:
    """`micro_batches: auto` is 1 here: batch normalisation sees a piece alone, so pieces change what is learned."""
    plan = FitPlan.of(spec, head.monitor)
    return replace(plan, micro_batches=1) if plan.micro_batches == "auto" else plan


def new_model(backbone: Path, head: Head, dropout: float, random_start: bool) -> Any:
    """A backbone with a new head, in training mode; what the head reads is dropped by the given share.

    Raises:
        DataError: when the backbone's weights do not fit its config.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(backbone, **head.config())
    if random_start:
        model = AutoModelForImageClassification.from_config(config, dtype=torch.float32)
    else:
        logging.set_verbosity_error()  # it would list the weights that are missing; `check_loaded` does
        model, found = AutoModelForImageClassification.from_pretrained(
            backbone, config=config, dtype="float32", output_loading_info=True, ignore_mismatched_sizes=True
        )
        check_loaded(model.base_model_prefix, found["missing_keys"], backbone)

    def drop(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (torch.nn.functional.dropout(given[0], dropout, module.training),)

    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    if dropout:
        last.register_forward_pre_hook(drop)
    return model.train()  # `from_pretrained` leaves it in evaluation mode
