"""Which tokens make one word: for masking whole words.

Between blanks, punctuation and symbols a word is what the tokenizer keeps together. A run of ideographs has no such
marks, so it is cut into the frequent sequences of up to two characters that the corpus itself teaches
(docs/how-to/pretrain.md says how far they agree with words as people cut them).
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelmill.specs.backbone import TokenizerSpec
from modelmill.tokenization.train import learn_merges

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SEQUENCES = TokenizerSpec(vocabulary=30_000, longest=2)
"""Most Chinese words have one or two characters."""

BATCH = 1000
"""Texts whose tokens are looked at together: a token with its offsets takes some 100 bytes."""

_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


def learn_words(texts: Iterable[str]) -> "Tokenizer":
    """What cuts texts into words; same texts, same cuts."""
    return learn_merges(texts, SEQUENCES, ["[UNK]"])


def word_starts(texts: Sequence[str], tokenizer: Any, words: "Tokenizer") -> list[NDArray[np.int32]]:
    """For each token of each text, special ones included: 1 where a word begins, 0 where one goes on.

    Args:
        texts: normalised.
        tokenizer: a fast tokenizer of transformers.
        words: what `learn_words` learned.
    """
    starts = []
    for first in range(0, len(texts), BATCH):
        part = list(texts[first : first + BATCH])
        encoded = tokenizer(part, return_offsets_mapping=True, truncation=False, verbose=False)
        cuts = words.encode_batch(part, add_special_tokens=False)
        for i, (text, cut) in enumerate(zip(part, cuts, strict=True)):
            own = np.array([-1 if word is None else word for word in encoded.word_ids(i)])
            begins = np.array([begin for begin, _ in encoded["offset_mapping"][i]])
            starts.append(_starts(_ideographs(text), own, begins, _numbers(text, cut)))
    return starts


def _starts(
    ideograph: NDArray[np.bool_], own: NDArray[np.int64], begins: NDArray[np.int64], numbers: NDArray[np.int64]
) -> NDArray[np.int32]:
    """1 where a token begins a word.

    Args:
        ideograph: for each character, and one behind the last.
        own: the tokenizer's own word of each token, -1 for special tokens.
        begins: first character of each token.
        numbers: word of each character, and one behind the last.
    """
    goes_on = numbers[begins[1:]] == numbers[begins[:-1]]
    beside = ideograph[begins] | ideograph[begins - 1]
    goes_on |= (own[1:] == own[:-1]) & ~beside[1:]  # "199 ##8" is one word of BERT's, a digit is one of ours
    special = own < 0
    goes_on &= ~special[1:] & ~special[:-1]
    return np.concatenate([[True], ~goes_on]).astype(np.int32)


def _numbers(text: str, cut: Any) -> NDArray[np.int64]:
    """The word of each character; a blank counts to the word behind it, as in the tokens of byte-level tokenizers."""
    ideograph = _ideographs(text)
    flags = np.zeros(len(text) + 1, np.int64)
    behind, word_before = 0, None
    for (begin, end), word in zip(cut.offsets, cut.word_ids, strict=True):
        if word != word_before or ideograph[begin] or ideograph[begin - 1]:
            flags[behind] = 1
        behind, word_before = end, word
    return np.cumsum(flags)


def _ideographs(text: str) -> NDArray[np.bool_]:
    """Which characters are ideographs; one False behind the last, which index -1 finds too."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    found = np.zeros(len(text) + 1, bool)
    for low, high in _IDEOGRAPHS:
        found[:-1] |= (points >= low) & (points <= high)
    return found
