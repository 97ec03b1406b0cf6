"""Kinds of task that read a text and answer with a few numbers: an encoder of transformers with a head."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.digest import tensor_digest
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.head import Head
from modelmill.tasks.task import Predictor, Task
from modelmill.text import normalise
from modelmill.tokenization.tokens import Encoding, Tokens, TokenShards, check_length, encode, load_tokenizer
from modelmill.training.architectures import check_loaded
from modelmill.training.batches import length_buckets, padded
from modelmill.training.fit import FitPlan, fit
from modelmill.training.prepare import prepared
from modelmill.training.processes import Made
from modelmill.training.ranks import World
from modelmill.training.work import Work, clear

if TYPE_CHECKING:
    from modelmill.tasks.text_module import TextModule

Vocabulary = tuple[Any, list[str]]

BATCH_TOKENS = 8192
"""Tokens of a batch at prediction, padding included: about 100 MB of activations for a small encoder."""


class TextTask(Task):
    """Texts in, a row of numbers for each out; subclasses say what the numbers mean."""

    @abstractmethod
    def label_names(self, train: pl.DataFrame) -> list[str]:
        """Names of the head's outputs, in order; none where they have no names."""

    @abstractmethod
    def targets(self, records: pl.DataFrame, names: Sequence[str]) -> NDArray[Any]:
        """What is to be learned of each record, (records, ...); `names` are of `label_names`."""

    @abstractmethod
    def head(self, train: Tokens, names: list[str], spec: FineTuningSpec) -> Head:
        """The head for training records.

        Raises:
            DataError: when what is declared does not fit the labels.
        """

    @abstractmethod
    def answers(self, logits: NDArray[np.float64], product: Mapping[str, Any]) -> pl.DataFrame:
        """Numbers of the head, (records, outputs), as `Predictor.answers`."""

    def settled(self, model: Any, validation: Tokens, pad: int) -> dict[str, Any]:
        """What is chosen by the validation split once the model is trained, for `product.json`; `pad` fills batches."""
        return {}

    def encode(self, splits: Mapping[str, pl.DataFrame], backbone: Path, spec: TokenizationSpec) -> Encoding:
        """See `Task.encode`: token ids by the backbone's tokenizer."""
        check_length(spec, backbone)
        names = self.label_names(splits["train"])
        about = {"task": self.spec.model_dump(mode="json"), "labels": names}
        return Encoding(splits, backbone, spec.max_tokens, lambda records: self.targets(records, names), about)

    def train(
        self, tensors: Path, backbone: Path, spec: FineTuningSpec, checkpoints: Path, *, random_start: bool
    ) -> Made:
        """See `Task.train`."""
        import pytorch_lightning as lightning

        shards = TokenShards.load(tensors)
        tokenizer = load_tokenizer(backbone)
        shards.check_made_by(tokenizer)
        train, validation = shards.splits["train"], shards.splits["validation"]
        names: list[str] = shards.about["labels"]
        head = self.head(train, names, spec)
        lightning.seed_everything(spec.seed, verbose=False)
        model = self.new_model(backbone, head, spec.dropout, random_start)
        with prepared(model, spec, self.used(model, [train, validation])) as sizes:
            module = self.module(model, train, spec, head, (tokenizer, names))
            curves, report = fit(
                module,
                module.validation_batches(validation, BATCH_TOKENS),
                FitPlan.of(spec, head.monitor),
                Work.of(checkpoints, spec, [*_read_from(tensors, backbone), tensor_digest(backbone), random_start]),
            )
        training = spec.model_dump(mode="json")
        product = {
            "task": shards.about["task"],
            "labels": names,
            "max_tokens": shards.max_tokens,
            "trained_on_sha256": shards.records_sha256,
            "random_start": random_start,
            "training": training,
            "precision": report["precision"],
            **head.about,
            **(self.settled(model, validation, model.config.pad_token_id or 0) if World.here().rank == 0 else {}),
        }
        report = {**training, **sizes, "monitor": head.monitor, **report}
        return curves, report, TrainedTextModel(model, tokenizer, product, checkpoints)

    def new_model(self, backbone: Path, head: Head, dropout: float, random_start: bool) -> Any:
        """A backbone with the head, in training mode: by default the head of transformers for classification."""
        return new_model(backbone, head, dropout, random_start)

    def module(
        self, model: Any, train: Tokens, spec: FineTuningSpec, head: Head, vocabulary: "Vocabulary"
    ) -> "TextModule":
        """What trains the model; `vocabulary` is the tokenizer, and the names of the head's outputs."""
        from modelmill.tasks.text_module import TextModule

        return TextModule(model, train, spec, head)

    def used(self, model: Any, splits: Sequence[Tokens]) -> NDArray[np.int64] | None:
        """Ids whose word embeddings are trained, ascending: those that occur, and that of padding. None: all."""
        seen = np.zeros(model.config.vocab_size, bool)
        seen[model.config.pad_token_id or 0] = True
        for tokens in splits:
            seen[tokens.ids] = True
        return np.flatnonzero(seen)

    def predictor(self, model: Path) -> Predictor:
        """See `Task.predictor`."""
        return TextPredictor(self, model)


@dataclass(frozen=True)
class TrainedTextModel:
    """A fine-tuned model, ready to be saved as a model folder."""

    model: Any
    tokenizer: Any
    product: dict[str, Any]
    checkpoints: Path

    def save(self, folder: Path) -> None:
        """Write safetensors, config, tokenizer and `product.json`."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        (folder / "product.json").write_text(json.dumps(self.product, indent=2, ensure_ascii=False), encoding="utf-8")

    def saved(self) -> None:
        """The state of the training is not needed any more."""
        clear(self.checkpoints)


class TextPredictor:
    """A model folder that answers texts. Evaluation and the registered version use this one."""

    def __init__(self, task: TextTask, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._task = task
        self.product: dict[str, Any] = json.loads((folder / "product.json").read_text(encoding="utf-8"))
        self.tokenizer = load_tokenizer(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    def answers(self, records: pl.DataFrame) -> pl.DataFrame:
        """See `Predictor.answers`."""
        return self._task.answers(self.logits(records["text"].to_list()), self.product)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """What the head says, (texts, outputs), rows in the order of the texts."""
        encoded = encode([normalise(text) for text in texts], self.tokenizer, self.product["max_tokens"])
        return model_logits(self.model, Tokens.of(encoded, [-1] * len(encoded)), self.tokenizer.pad_token_id)


def model_logits(model: Any, tokens: Tokens, pad: int) -> NDArray[np.float64]:
    """What the head says of texts, (texts, outputs); the model stays as it is, but for its dropout, which is off."""
    import torch

    result = np.zeros((len(tokens), model.config.num_labels))
    training, _ = model.training, model.eval()
    with torch.inference_mode():
        for rows in length_buckets(tokens.lengths, BATCH_TOKENS, None):
            ids, mask = (torch.from_numpy(array).to(model.device) for array in padded(tokens, rows, pad))
            result[rows] = model(input_ids=ids, attention_mask=mask).logits.double().cpu().numpy()
    model.train(training)
    return result


def _read_from(tensors: Path, backbone: Path) -> list[str]:
    """What says which tokens and which model these are, beside the weights."""
    return [path.read_text(encoding="utf-8") for path in (tensors / "tokens.json", backbone / "config.json")]


def new_model(backbone: Path, head: Head, dropout: float, random_start: bool) -> Any:
    """A backbone with a new head, in training mode.

    Raises:
        DataError: when the backbone's weights do not fit its config.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(backbone, **head.config())
    if random_start:
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    else:
        logging.set_verbosity_error()  # it would list the weights that are missing; `check_loaded` does
        model, found = AutoModelForSequenceClassification.from_pretrained(
            backbone, config=config, dtype="float32", output_loading_info=True
        )
        check_loaded(model.base_model_prefix, found["missing_keys"], backbone)
    # Each architecture calls it otherwise in its config (classifier_dropout, seq_classif_dropout, ...).
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout) and not name.startswith(f"{model.base_model_prefix}."):
            module.p = dropout
    return model.train()  # `from_pretrained` leaves it in evaluation mode, and Lightning as it is: no dropout at all
