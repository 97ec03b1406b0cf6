"""Text classification: one label per text, by a transformers sequence classifier on a backbone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.digest import tensor_digest
from modelmill.specs.training import FineTuningSpec
from modelmill.text import normalise
from modelmill.tokenization.tokens import Tokens, TokenShards, encode, load_tokenizer
from modelmill.training.architectures import check_loaded
from modelmill.training.batches import length_buckets, padded
from modelmill.training.class_weights import class_weights
from modelmill.training.fit import FitPlan, fit
from modelmill.training.prepare import prepared
from modelmill.training.processes import Made, in_processes
from modelmill.training.work import Work, clear

BATCH_TOKENS = 8192
"""Tokens of a batch at prediction, padding included: about 100 MB of activations for a small encoder."""


@dataclass(frozen=True)
class TrainedClassifier:
    """A fine-tuned classifier, ready to be saved as a model folder."""

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


@in_processes
def fine_tune(tokens: Path, backbone: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    """Fine-tune a backbone; the weights of the epoch with the best validation macro-F1 are kept.

    Args:
        tokens: the product's token shards, splits train and validation.
        backbone: a folder that transformers reads.
        spec: how to train.
        checkpoints: where the training keeps its state; one that was killed goes on from there.

    Returns:
        the curves, a report of the training, and the classifier, last: saving it removes the state.

    Raises:
        DataError: when the tokens are of another tokenizer, the backbone's weights do not fit its config, or what is
            declared does not fit the backbone or the labels.
    """
    return _train(tokens, backbone, spec, checkpoints, random_start=False)


def fine_tune_random_start(tokens: Path, backbone: Path, spec: FineTuningSpec, model: Path, checkpoints: Path) -> Made:
    """The control of a model: `fine_tune` in every respect, but the backbone's weights are random. Its precision is the
    model's, for `auto` may come to another one each time.
    """
    product = json.loads((model / "product.json").read_text(encoding="utf-8"))
    spec = spec.model_copy(update={"precision": product["precision"]})
    return _fine_tune_random_start(tokens, backbone, spec, checkpoints)


@in_processes
def _fine_tune_random_start(tokens: Path, backbone: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    return _train(tokens, backbone, spec, checkpoints, random_start=True)


def _train(
    tokens: Path, backbone: Path, spec: FineTuningSpec, checkpoints: Path, *, random_start: bool
) -> tuple[pl.DataFrame, dict[str, Any], TrainedClassifier]:
    import pytorch_lightning as lightning

    from modelmill.tasks.classifier_module import Classifier

    shards = TokenShards.load(tokens)
    tokenizer = load_tokenizer(backbone)
    shards.check_made_by(tokenizer)
    train, validation = shards.splits["train"], shards.splits["validation"]
    weights = class_weights(spec, train.labels, shards.label_names)
    lightning.seed_everything(spec.seed, verbose=False)
    model = _new_model(backbone, shards.label_names, spec.dropout, random_start)
    with prepared(model, spec, _used(model, [train, validation])) as sizes:
        module = Classifier(model, train, spec, weights)
        curves, report = fit(
            module,
            module.validation_batches(validation, BATCH_TOKENS),
            _plan(spec),
            Work.of(checkpoints, spec, [*_read_from(tokens, backbone), tensor_digest(backbone), random_start]),
        )
    training = spec.model_dump(mode="json")
    product = {
        "task": "text_classification",
        "labels": shards.label_names,
        "max_tokens": shards.max_tokens,
        "trained_on_sha256": shards.records_sha256,
        "random_start": random_start,
        "training": training,
        "precision": report["precision"],
    }
    return curves, {**training, **sizes, **report}, TrainedClassifier(model, tokenizer, product, checkpoints)


def _used(model: Any, splits: Sequence[Tokens]) -> NDArray[np.int64]:
    """Ids that occur, and that of padding, ascending."""
    seen = np.zeros(model.config.vocab_size, bool)
    seen[model.config.pad_token_id or 0] = True
    for tokens in splits:
        seen[tokens.ids] = True
    return np.flatnonzero(seen)


def _read_from(tokens: Path, backbone: Path) -> list[str]:
    """What says which tokens and which model these are, beside the weights."""
    return [path.read_text(encoding="utf-8") for path in (tokens / "tokens.json", backbone / "config.json")]


def _plan(spec: FineTuningSpec) -> FitPlan:
    return FitPlan(
        precision=spec.precision,
        checkpoint_seconds=60 * spec.checkpoint_minutes,
        max_epochs=spec.max_epochs,
        monitor="validation_macro_f1",
        patience=spec.patience,
        accumulate=spec.accumulate,
        micro_batches=spec.micro_batches,
    )


def _new_model(backbone: Path, labels: list[str], dropout: float, random_start: bool) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(
        backbone,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        problem_type="single_label_classification",
    )
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


class Predictor:
    """A model folder that answers texts with probabilities. Evaluation and the registered version use this one."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.product: dict[str, Any] = json.loads((folder / "product.json").read_text(encoding="utf-8"))
        self.labels: list[str] = self.product["labels"]
        self.tokenizer = load_tokenizer(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probability of each label, (texts, labels), rows in the order of the texts."""
        import torch

        encoded = encode([normalise(text) for text in texts], self.tokenizer, self.product["max_tokens"])
        tokens = Tokens.of(encoded, [-1] * len(encoded))
        result = np.zeros((len(encoded), len(self.labels)))
        with torch.inference_mode():
            for rows in length_buckets(tokens.lengths, BATCH_TOKENS, None):
                ids, mask = (torch.from_numpy(array) for array in padded(tokens, rows, self.tokenizer.pad_token_id))
                logits = self.model(input_ids=ids, attention_mask=mask).logits.double()
                result[rows] = torch.softmax(logits, -1).numpy()
        return result


def predict(model: Path, records: pl.DataFrame) -> pl.DataFrame:
    """Predictions for records: id, label, predicted, and one column `p_<label>` per label."""
    predictor = Predictor(model)
    return prediction_table(records, predictor.probabilities(records["text"].to_list()), predictor.labels)


def prediction_table(records: pl.DataFrame, probabilities: NDArray[np.float64], labels: list[str]) -> pl.DataFrame:
    """Probabilities (records, labels) as a table of predictions."""
    predicted = [labels[i] for i in probabilities.argmax(1)] if len(records) else []
    return records.select("id", "label").with_columns(
        pl.Series("predicted", predicted, dtype=pl.String),
        *[pl.Series(f"p_{label}", probabilities[:, i]) for i, label in enumerate(labels)],
    )
