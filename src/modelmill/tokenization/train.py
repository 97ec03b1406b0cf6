"""Training of a tokenizer."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from modelmill.progress import bar
from modelmill.specs.backbone import ArchitectureKind, TokenizerSpec
from modelmill.tables import AnyTable, batches_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.processors import PostProcessor
    from transformers import PreTrainedTokenizerFast

BREAKS = r"[\p{P}\p{S}\p{N}]"
"""Punctuation, symbols and digits stand alone: no merge crosses them."""

ENCODER = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
SPECIAL: dict[ArchitectureKind, dict[str, str]] = {
    "modernbert": ENCODER,
    "bert": ENCODER,
    "gpt2": {"pad": "<pad>", "bos": "<|endoftext|>", "eos": "<|endoftext|>"},
    "llama": {"pad": "<pad>", "bos": "<s>", "eos": "</s>"},
}
"""The special tokens of each architecture, by what they are for, as their papers' models call them."""


class TrainedTokenizer:
    """A tokenizer made here, ready to be saved in the form that `AutoTokenizer` reads."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast") -> None:
        self.tokenizer = tokenizer

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files."""
        self.tokenizer.save_pretrained(folder)


class Texts:
    """The texts of a corpus, from the first to the last each time that somebody goes through them."""

    def __init__(self, corpus: AnyTable, *, lowercase: bool = False) -> None:
        self._corpus, self._lowercase = corpus, lowercase

    def __iter__(self) -> Iterator[str]:
        texts = (text for batch in batches_of(self._corpus) for text in batch["text"])
        return (text.lower() for text in texts) if self._lowercase else texts


def train_tokenizer(
    corpus: AnyTable, spec: TokenizerSpec, architecture: ArchitectureKind = "modernbert"
) -> TrainedTokenizer:
    """Train the declared kind of tokenizer; same corpus, same tokenizer.

    An encoder gets `[CLS] text [SEP]`, a decoder `<bos> text`: what follows on the text is the model's to say.

    Args:
        corpus: column text, normalised.
        spec: kind, size and case.
        architecture: what the special tokens are for.
    """
    from tokenizers import Tokenizer, normalizers
    from transformers import PreTrainedTokenizerFast

    names = SPECIAL[architecture]
    special = list(dict.fromkeys(names.values()))
    kinds = {"bpe": learn_merges, "character": _characters, "byte_bpe": _byte_merges, "word": _words}
    tokenizer: Tokenizer = kinds[spec.kind](Texts(corpus, lowercase=spec.lowercase), spec, special)
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if spec.lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.post_processor = _template(tokenizer, names)
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    if architecture != "bert":
        inputs.remove("token_type_ids")  # the other models know no types; GPT-2 would add them up with its words
    return TrainedTokenizer(
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            model_input_names=inputs,
            truncation_side="left" if spec.kind == "word" else "right",  # of a sequence the last items count
            **{f"{name}_token": token for name, token in names.items()},
        )
    )


def _template(tokenizer: "Tokenizer", names: dict[str, str]) -> "PostProcessor":
    """What is put around a text, or a pair of texts."""
    from tokenizers import processors

    single, pair = "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"
    if "bos" in names:
        single, pair = f"{names['bos']} $A", f"{names['bos']} $A $B"
    special = [(token, tokenizer.token_to_id(token)) for token in dict.fromkeys(names.values())]
    return processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)


def _characters(texts: Iterable[str], spec: TokenizerSpec, special: list[str]) -> "Tokenizer":
    """Each of the most frequent characters is a token."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    vocabulary = [*special, *_alphabet(_counts(texts), spec.vocabulary - len(special))]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    return tokenizer


def _words(texts: Iterable[str], spec: TokenizerSpec, special: list[str]) -> "Tokenizer":
    """Each of the most frequent words, as blanks part them, is a token."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    counts = Counter(word for text in texts for word in text.split())
    vocabulary = [*special, *_alphabet(counts, spec.vocabulary - len(special))]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def learn_merges(texts: Iterable[str], spec: TokenizerSpec, special: list[str]) -> "Tokenizer":
    """Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) over characters, learned from evenly spaced texts."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    counts = _counts(texts)
    alphabet = _alphabet(counts, spec.alphabet)
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(BREAKS), "isolated")]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocabulary,
        special_tokens=special,
        max_token_length=spec.longest,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),  # left to itself, the trainer breaks ties in another way each time
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample(texts, counts.total(), spec), trainer)
    return tokenizer


def _byte_merges(texts: Iterable[str], spec: TokenizerSpec, special: list[str]) -> "Tokenizer":
    """Byte-pair encoding over bytes (Radford et al. 2019): blanks are kept, nothing is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocabulary,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample(texts, sum(map(len, texts)), spec), trainer)
    return tokenizer


def _sample(texts: Iterable[str], characters: int, spec: TokenizerSpec) -> Iterator[str]:
    """Evenly spaced texts of about as many characters as declared, of so many in all."""
    return islice(texts, 0, None, max(1, characters // spec.sample))


def _counts(texts: Iterable[str]) -> Counter[str]:
    """How often each character occurs."""
    counts: Counter[str] = Counter()
    with bar("counting characters", None, "texts") as shown:
        for text in texts:
            counts.update(text)
            shown.update()
    return counts


def _alphabet(counts: Counter[str], size: int) -> list[str]:
    """The most frequent characters; ties are broken by code point."""
    visible = (character for character in counts if character != " ")
    return sorted(visible, key=lambda character: (-counts[character], character))[:size]
