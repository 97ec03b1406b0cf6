"""Making a backbone: a language model on a corpus of tokens, from a random start or from another backbone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelmill.digest import backbone_origin, tensor_digest
from modelmill.errors import DataError
from modelmill.specs.backbone import PretrainingSpec
from modelmill.specs.training import PretrainingTrainingSpec
from modelmill.tokenization.tokens import WORD_STARTS, Tokens, TokenShards, load_tokenizer
from modelmill.training.architectures import about, continued_model, new_model
from modelmill.training.causal import CausalLm, end_token
from modelmill.training.fit import FitPlan, fit
from modelmill.training.masked_lm import MaskedLm, Masking
from modelmill.training.next_sentence import NextSentence
from modelmill.training.objective import Objective, Stream, fixed_batches
from modelmill.training.processes import Made, in_processes
from modelmill.training.work import Work, clear

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VALIDATION_BLOCKS, VALIDATION_BATCHES = 128, 4


@dataclass(frozen=True)
class Backbone:
    """A pretrained model with its tokenizer, ready to be saved in the form that transformers reads."""

    model: "PreTrainedModel"
    tokenizer: Any
    info: dict[str, Any]
    checkpoints: Path

    def save(self, folder: Path) -> None:
        """Write safetensors, config, tokenizer and `backbone.json`."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        (folder / "backbone.json").write_text(json.dumps(self.info, indent=2, ensure_ascii=False), encoding="utf-8")

    def saved(self) -> None:
        """The state of the training is not needed any more."""
        clear(self.checkpoints)


@in_processes
def pretrain(shards: Path, start: Path, spec: PretrainingSpec, checkpoints: Path) -> Made:
    """Pretrain a model.

    Args:
        shards: tokens of the corpus, as its split `train`.
        start: the tokenizer that they were made with; with `from` the backbone to go on from, tokenizer included.
        spec: the declaration.
        checkpoints: where the training keeps its state; one that was killed goes on from there.

    Returns:
        the curves, a report of the training, and the backbone, last: saving it removes the state.

    Raises:
        DataError: when the corpus does not fill one batch, its tokens are of another tokenizer, or the backbone to go
            on from is of another kind.
    """
    import pytorch_lightning as lightning

    from modelmill.training.language_model_module import module_of, tensors
    from modelmill.training.module import Batches

    plan = spec.training
    tokenizer = load_tokenizer(start)
    stored = TokenShards.load(shards)
    stored.check_made_by(tokenizer)
    lightning.seed_everything(plan.seed, verbose=False)
    model, origin = _start(start, tokenizer, spec)
    training, validation = _objectives(stored, tokenizer, spec)
    _check_size(training, validation, plan)
    module = module_of(spec.objective)(model, plan, Stream(training, plan.batch_blocks, plan.seed))
    held_out = fixed_batches(validation, VALIDATION_BATCHES, plan.seed)
    curves, report = fit(
        module,
        Batches(lambda i: tensors(held_out[i]), len(held_out)),
        _plan(plan),
        Work.of(checkpoints, spec, [(shards / "tokens.json").read_text(encoding="utf-8"), _digest_of(start, spec)]),
    )
    info = {
        "objective": spec.objective,
        "architecture": about(model.config),
        **origin,
        "steps": report["steps"],
        "tokens": report["tokens"],
        "precision": report["precision"],
        "corpus_tokens": int(training.tokens.lengths.sum()),
        "corpus_sha256": stored.records_sha256,
    }
    return curves, report, Backbone(model, tokenizer, info, checkpoints)


def _plan(plan: PretrainingTrainingSpec) -> FitPlan:
    return FitPlan(
        precision=plan.precision,
        max_steps=plan.max_steps,
        validate_every=max(1, plan.max_steps // 10),
        checkpoint_seconds=60 * plan.checkpoint_minutes,
        micro_batches=plan.micro_batches,
    )


def _digest_of(start: Path, spec: PretrainingSpec) -> str | None:
    """Of the weights to go on from; a random start follows from the seed."""
    return None if spec.architecture else tensor_digest(start)


def _start(folder: Path, tokenizer: Any, spec: PretrainingSpec) -> tuple["PreTrainedModel", dict[str, Any]]:
    """The model to train, and what it came from: the name of that backbone, its digest, and where that came from."""
    if spec.architecture:
        return new_model(spec.architecture, spec.objective, tokenizer), {}
    model, random = continued_model(folder, spec.objective, spec.training)
    return model, {"from": {"name": spec.from_, **backbone_origin(folder)}, "random_tensors": random}


def _objectives(stored: TokenShards, tokenizer: Any, spec: PretrainingSpec) -> tuple[Objective, Objective]:
    """What to train on and what to validate on."""
    plan = spec.training
    tokens, starts = stored.splits["train"], stored.splits.get(WORD_STARTS)
    if spec.whole_words and starts is None:
        raise DataError(
            "the tokens do not say where words begin, which `whole_words` needs. Run the pipeline `tokenization` again."
        )
    needed = "eos_token" if spec.objective == "causal_lm" else "mask_token"
    if getattr(tokenizer, needed) is None:
        raise DataError(
            f"the tokenizer has no {needed}, which `objective: {spec.objective}` needs. Go on from another backbone."
        )

    def objective(rows: NDArray[np.int64]) -> Objective:
        part = tokens.take(rows)
        if spec.objective == "causal_lm":
            return CausalLm(part, end_token(part, tokenizer), plan.block_tokens, plan.separate)
        masking = Masking.by(tokenizer, plan.masked)
        words = starts.take(rows) if starts is not None and spec.whole_words else None
        if spec.objective == "masked_lm":
            return MaskedLm(part, words, masking, plan.block_tokens, plan.separate)
        return NextSentence(part, words, masking, tokenizer.pad_token_id, plan.block_tokens)

    training, validation = _hold_back(tokens, plan.block_tokens * VALIDATION_BLOCKS)
    return objective(training), objective(validation)


def _check_size(training: Objective, validation: Objective, plan: PretrainingTrainingSpec) -> None:
    """A batch to train on and a block to validate on are the least."""
    if training.count < plan.batch_blocks or validation.count < 1:
        raise DataError(
            f"the corpus is too small: {training.count} blocks of {plan.block_tokens} tokens to train on, "
            f"{validation.count} held back. A batch takes {plan.batch_blocks} (`pretraining.training.batch_blocks`, "
            "`block_tokens`), the held-back part one. Add text, or make batch and block smaller."
        )


def _hold_back(tokens: Tokens, wanted: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texts to train on, and those kept to validate on: evenly spaced, at most a tenth, so that every source has its
    part in the figure.
    """
    every = min(max(10, int(tokens.lengths.sum()) // wanted), len(tokens))
    chosen = np.arange(len(tokens)) % every == every - 1
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
