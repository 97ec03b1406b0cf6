"""Models to pretrain: from a random start by a config of transformers, or with the weights of another backbone."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmill.errors import DataError
from modelmill.specs.backbone import ArchitectureSpec, Objective
from modelmill.specs.training import PretrainingTrainingSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


SEPARABLE = ("modernbert", "bert", "gpt2", "llama")
"""Models whose positions begin at 0 and which take a mask as it is given."""


def new_model(spec: ArchitectureSpec, objective: Objective, tokenizer: Any) -> "PreTrainedModel":
    """A model with random weights and the head that the objective needs."""
    configs = {"modernbert": _modernbert, "bert": _bert, "gpt2": _gpt2, "llama": _llama}
    return _head(objective).from_config(configs[spec.kind](spec, tokenizer))


def continued_model(
    folder: Path, objective: Objective, plan: PretrainingTrainingSpec
) -> tuple["PreTrainedModel", list[str]]:
    """The model of a folder with the head that the objective needs.

    Returns:
        the model, and the names of the tensors of its head that the folder lacks: they are random.

    Raises:
        DataError: when the objective does not train such a model, or the model does not read so long blocks, or the
            folder lacks other tensors than those of a head.
    """
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # it would list the weights that are missing; we do
    config = AutoConfig.from_pretrained(folder)
    _check_fits(config, objective, plan)
    model, found = _head(objective).from_pretrained(folder, dtype="float32", output_loading_info=True)
    missing = sorted(found["missing_keys"])
    check_loaded(model.base_model_prefix, missing, folder)
    return model.train(), missing  # `from_pretrained` leaves it in evaluation mode


def check_loaded(encoder: str, missing: Iterable[str], folder: Path) -> None:
    """A head may be new; an encoder that is new as well would be a random start in disguise. Poolers come and go.

    Args:
        encoder: the model's name for what is under its head.
        missing: tensors that the folder lacks.
        folder: the backbone.

    Raises:
        DataError: when the encoder's are among them.
    """
    lacking = sorted(name for name in missing if name.startswith(f"{encoder}.") and "pooler" not in name)
    if lacking:
        raise DataError(
            f"the backbone's weights lack {len(lacking)} tensors of its encoder, {lacking[0]} among them, which would "
            f"be left random. Give weights that fit {folder / 'config.json'}."
        )


def about(config: "PreTrainedConfig") -> dict[str, Any]:
    """What a reader of `backbone.json` wants to know of an architecture."""
    shape = {"layers": "num_hidden_layers", "hidden": "hidden_size", "heads": "num_attention_heads"}
    return {"kind": config.model_type, **{name: getattr(config, key) for name, key in shape.items()}}


def _head(objective: Objective) -> Any:
    """The class of transformers that makes models with the objective's head."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForPreTraining

    heads = {"masked_lm": AutoModelForMaskedLM, "masked_lm_nsp": AutoModelForPreTraining}
    return heads.get(objective, AutoModelForCausalLM)


def _check_fits(config: "PreTrainedConfig", objective: Objective, plan: PretrainingTrainingSpec) -> None:
    """Raise `DataError` when the objective does not train such a model, or its blocks are too long for it."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    kind = config.model_type
    masked = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    fits = {
        "masked_lm": masked,
        "masked_lm_nsp": kind == "bert",
        "causal_lm": kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not masked,  # encoders are in both
    }
    if not fits[objective]:
        raise DataError(
            f"the backbone to go on from is a {kind}, which `pretraining.objective: {objective}` does not train. "
            "Declare the objective that it was made with, or go on from another backbone."
        )
    windows = "sliding_attention" in (getattr(config, "layer_types", None) or [])
    if plan.separate and objective != "masked_lm_nsp" and (kind not in SEPARABLE or windows):
        raise DataError(
            f"the backbone to go on from is a {kind}{' with windows of attention' if windows else ''}, in which packed "
            "texts cannot be kept from each other; declare `pretraining.training.separate: false`."
        )
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None and plan.block_tokens > longest:
        raise DataError(
            f"`pretraining.training.block_tokens` is {plan.block_tokens}, but the backbone to go on from reads "
            f"{longest}; lower it."
        )


def _modernbert(spec: ArchitectureSpec, tokenizer: Any) -> "PreTrainedConfig":
    from transformers import ModernBertConfig

    return ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden,
        intermediate_size=spec.intermediate,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        max_position_embeddings=spec.max_tokens,
        global_attn_every_n_layers=1,
        classifier_pooling="mean",
        sparse_prediction=True,  # the output layer at masked positions only: most of its cost is saved
        embedding_dropout=spec.dropout,
        attention_dropout=spec.dropout,
        mlp_dropout=spec.dropout,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )


def _bert(spec: ArchitectureSpec, tokenizer: Any) -> "PreTrainedConfig":
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden,
        intermediate_size=spec.intermediate,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        max_position_embeddings=spec.max_tokens,
        hidden_dropout_prob=spec.dropout,
        attention_probs_dropout_prob=spec.dropout,
        pad_token_id=tokenizer.pad_token_id,
    )


def _gpt2(spec: ArchitectureSpec, tokenizer: Any) -> "PreTrainedConfig":
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=spec.hidden,
        n_inner=spec.intermediate,
        n_layer=spec.layers,
        n_head=spec.heads,
        n_positions=spec.max_tokens,
        resid_pdrop=spec.dropout,
        embd_pdrop=spec.dropout,
        attn_pdrop=spec.dropout,
        **_ends(tokenizer),
    )


def _llama(spec: ArchitectureSpec, tokenizer: Any) -> "PreTrainedConfig":
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden,
        intermediate_size=spec.intermediate,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        max_position_embeddings=spec.max_tokens,
        attention_dropout=spec.dropout,
        tie_word_embeddings=True,  # as the small ones of Llama 3.2: at these sizes most weights are embeddings
        **_ends(tokenizer),
    )


def _ends(tokenizer: Any) -> dict[str, int]:
    """The ids that generation begins, ends and pads with."""
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
