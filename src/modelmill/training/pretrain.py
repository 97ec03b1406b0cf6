"""Making a backbone: masked language modelling on a corpus of tokens."""

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from modelmill.errors import DataError
from modelmill.specs.backbone import ArchitectureSpec, PretrainingSpec
from modelmill.specs.training import PretrainingTrainingSpec
from modelmill.tokenization.tokens import Tokens, TokenShards, load_tokenizer
from modelmill.training.batches import Batch, Masking, mask_tokens, masked_batches, packed_blocks
from modelmill.training.fit import FitPlan, fit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VALIDATION_BLOCKS = 128


@dataclass(frozen=True)
class Backbone:
    """A pretrained encoder with its tokenizer, ready to be saved in the form that transformers reads."""

    model: "PreTrainedModel"
    tokenizer: Any
    info: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write safetensors, config, tokenizer and `backbone.json`."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        (folder / "backbone.json").write_text(json.dumps(self.info, indent=2, ensure_ascii=False), encoding="utf-8")


def pretrain(shards: Path, tokenizer_folder: Path, spec: PretrainingSpec) -> tuple[Backbone, pl.DataFrame]:
    """Pretrain an encoder from a random start.

    Args:
        shards: tokens of the corpus, as its split `train`.
        tokenizer_folder: the tokenizer they were made with.
        spec: the declaration.

    Returns:
        the backbone and its curves.

    Raises:
        DataError: when the corpus does not fill one batch, or its tokens are of another tokenizer.
    """
    import pytorch_lightning as lightning
    from torch.utils.data import DataLoader

    from modelmill.training.masked_lm_module import BatchStream, MaskedLanguageModel

    plan = spec.training
    tokenizer = load_tokenizer(tokenizer_folder)
    stored = TokenShards.load(shards)
    stored.check_made_by(tokenizer)
    corpus, held_back = _hold_back(stored.splits["train"], plan.block_tokens * VALIDATION_BLOCKS)
    shape = (plan.batch_blocks, plan.block_tokens)
    _check_size(corpus, held_back, shape)
    masking = (
        plan.masked,
        np.array(sorted(tokenizer.all_special_ids)),
        (len(tokenizer), tokenizer.mask_token_id),
    )
    lightning.seed_everything(plan.seed, verbose=False)
    module = MaskedLanguageModel(new_encoder(spec.architecture, tokenizer), plan)
    stream = masked_batches(corpus, shape, masking, plan.seed)
    curves, report = fit(
        module,
        DataLoader(BatchStream(islice(stream, plan.max_steps)), batch_size=None),
        DataLoader(BatchStream(_fixed_batches(held_back, plan, masking)), batch_size=None),
        FitPlan(
            precision=plan.precision,
            max_steps=plan.max_steps,
            validate_every=max(1, plan.max_steps // 10),
        ),
    )
    info = {
        **report,
        "tokens": report["steps"] * shape[0] * shape[1],
        "corpus_tokens": int(corpus.lengths.sum()),
        "corpus_sha256": stored.records_sha256,
    }
    return Backbone(module.model, tokenizer, info), curves


def _fixed_batches(held_back: Tokens, plan: PretrainingTrainingSpec, masking: Masking) -> list[Batch]:
    """Held-back blocks under masks that stay the same, in up to four batches."""
    blocks = packed_blocks(held_back, plan.block_tokens, (plan.seed, 0)).astype(np.int64)
    parts = np.array_split(blocks, min(4, len(blocks)))
    return [mask_tokens(part, *masking, (plan.seed, i)) for i, part in enumerate(parts)]


def new_encoder(spec: ArchitectureSpec, tokenizer: Any) -> "PreTrainedModel":
    """A masked language model with random weights."""
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden,
        intermediate_size=spec.intermediate,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        max_position_embeddings=spec.max_tokens,
        global_attn_every_n_layers=1,
        classifier_pooling="mean",
        sparse_prediction=True,  # the output layer at masked positions only: most of its cost is saved
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    return ModernBertForMaskedLM(config)


def _check_size(corpus: Tokens, held_back: Tokens, shape: tuple[int, int]) -> None:
    """A batch to train on and a block to validate on are the least."""
    sizes = int(corpus.lengths.sum()), int(held_back.lengths.sum())
    if sizes[0] < shape[0] * shape[1] or sizes[1] < shape[1]:
        raise DataError(
            f"the corpus is too small: {sizes[0]} tokens to train on, {sizes[1]} held back. A batch takes "
            f"{shape[0]} x {shape[1]} (`pretraining.training.batch_blocks` x `block_tokens`), the held-back part one "
            "block. Add text, or make batch and block smaller."
        )


def _hold_back(tokens: Tokens, wanted: int) -> tuple[Tokens, Tokens]:
    """Keep evenly spaced texts, at most a tenth of them, to validate on: every source has its part in the figure."""
    every = min(max(10, len(tokens.ids) // wanted), len(tokens))
    chosen = np.arange(len(tokens)) % every == every - 1
    return tokens.take(np.flatnonzero(~chosen)), tokens.take(np.flatnonzero(chosen))
