"""Training of a tokenizer."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from modelmill.specs.backbone import TokenizerSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


class TrainedTokenizer:
    """A tokenizer made here, ready to be saved in the form that `AutoTokenizer` reads."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast") -> None:
        self.tokenizer = tokenizer

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files."""
        self.tokenizer.save_pretrained(folder)


def train_character_tokenizer(corpus: pl.DataFrame, spec: TokenizerSpec) -> TrainedTokenizer:
    """Each of the most frequent characters is a token; ties are broken by code point.

    Args:
        corpus: column text, normalised.
        spec: vocabulary size and case.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    counts: Counter[str] = Counter()
    for text in corpus["text"]:
        counts.update(text.lower() if spec.lowercase else text)
    del counts[" "]
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    vocabulary = [*SPECIAL, *ranked[: spec.vocabulary - len(SPECIAL)]]
    ids = {token: i for i, token in enumerate(vocabulary)}

    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if spec.lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return TrainedTokenizer(
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in names.items()})
    )
