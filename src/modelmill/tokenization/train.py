"""Training of a tokenizer."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from modelmill.progress import bar
from modelmill.specs.backbone import TokenizerSpec
from modelmill.tables import AnyTable, batches_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

BREAKS = r"[\p{P}\p{S}\p{N}]"
"""Punctuation, symbols and digits stand alone: no merge crosses them."""

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


class TrainedTokenizer:
    """A tokenizer made here, ready to be saved in the form that `AutoTokenizer` reads."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast") -> None:
        self.tokenizer = tokenizer

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files."""
        self.tokenizer.save_pretrained(folder)


def train_tokenizer(corpus: AnyTable, spec: TokenizerSpec) -> TrainedTokenizer:
    """Train the declared kind of tokenizer; same corpus, same tokenizer.

    Args:
        corpus: column text, normalised.
        spec: kind, size and case.
    """
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    counts = _characters_of(corpus, spec)
    tokenizer: Tokenizer = _bpe(corpus, counts, spec) if spec.kind == "bpe" else _characters(counts, spec)
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if spec.lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    pieces = BREAKS if spec.kind == "bpe" else "."
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(pieces), "isolated")]
    )
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return TrainedTokenizer(
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in names.items()})
    )


def _texts(corpus: AnyTable, spec: TokenizerSpec) -> Iterator[str]:
    texts = (text for batch in batches_of(corpus) for text in batch["text"])
    return (text.lower() for text in texts) if spec.lowercase else texts


def _characters_of(corpus: AnyTable, spec: TokenizerSpec) -> Counter[str]:
    """How often each character stands in the corpus."""
    counts: Counter[str] = Counter()
    with bar("counting characters", corpus.height, "records") as shown:
        for text in _texts(corpus, spec):
            counts.update(text)
            shown.update()
    return counts


def _characters(counts: Counter[str], spec: TokenizerSpec) -> "Tokenizer":
    """Each of the most frequent characters is a token."""
    from tokenizers import Tokenizer, models

    vocabulary = [*SPECIAL, *_alphabet(counts, spec.vocabulary - len(SPECIAL))]
    return Tokenizer(models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))


def _bpe(corpus: AnyTable, counts: Counter[str], spec: TokenizerSpec) -> "Tokenizer":
    """Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) over characters, learned from evenly spaced texts."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    alphabet = _alphabet(counts, spec.alphabet)
    every = max(1, counts.total() // spec.sample)
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(BREAKS), "isolated")]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocabulary,
        special_tokens=SPECIAL,
        max_token_length=spec.longest,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),  # left to itself, the trainer breaks ties in another way each time
        show_progress=False,
    )
    tokenizer.train_from_iterator(islice(_texts(corpus, spec), 0, None, every), trainer)
    return tokenizer


def _alphabet(counts: Counter[str], size: int) -> list[str]:
    """The most frequent characters; ties are broken by code point."""
    visible = (character for character in counts if character != " ")
    return sorted(visible, key=lambda character: (-counts[character], character))[:size]
