"""Which tokens make a word."""

from typing import Any

import polars as pl
import pytest

from modelmill.specs.backbone import TokenizerSpec
from modelmill.tokenization.train import train_tokenizer
from modelmill.tokenization.words import learn_words, word_starts

TEXTS = ["失望", "手机", "好看", "iPhone in don't"] * 50


def shown(text: str, tokenizer: Any) -> str:
    """Tokens, words apart by blanks and their tokens by dashes."""
    starts = word_starts([text], tokenizer, learn_words(TEXTS))[0]
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    assert len(starts) == len(tokens)
    return "".join((" " if start else "-") + token for token, start in zip(tokens, starts, strict=True)).strip()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("character", "[CLS] 失-望 i-n i-p-h-o-n-e 手-机 [UNK] d-o-n [UNK] t 好-看 [UNK] [SEP]"),
        ("bpe", "[CLS] 失望 in ip-h-on-e 手机 [UNK] d-on [UNK] t 好看 [UNK] [SEP]"),
    ],
)
def test_words_end_at_blanks_punctuation_and_where_the_corpus_says(kind: str, expected: str) -> None:
    """Letters between blanks are a word; frequent pairs of ideographs are; where the two meet, a word ends."""
    spec = TokenizerSpec.model_validate({"kind": kind, "vocabulary": 100, "longest": 2})
    corpus = pl.DataFrame({"text": [text.replace("'", "") for text in TEXTS]})
    assert shown("失望 in iPhone手机, don't 好看!", train_tokenizer(corpus, spec).tokenizer) == expected


def test_pieces_of_wordpiece_belong_together() -> None:
    """`##` goes on with a word, digits included; ideographs stand alone there, and are joined by the corpus."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["[UNK]", "un", "##able", "199", "##8", "失", "望", "了"]
    made = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]")
    assert shown("Unable 1998 失望了", tokenizer) == "un-##able 199-##8 失-望 了"


def test_blanks_belong_to_the_word_behind_them() -> None:
    """As in byte-level tokens, which begin with their blank; the bytes of a character stay together."""
    spec = TokenizerSpec(kind="byte_bpe", vocabulary=300)
    tokenizer = train_tokenizer(pl.DataFrame({"text": ["in the"] * 50}), spec).tokenizer
    assert shown("in the 龘", tokenizer) == "[CLS] in Ġthe Ġ-é-¾-ĺ [SEP]"


def test_learning_twice_gives_the_same_words() -> None:
    """Also where many pairs tie."""
    assert learn_words(TEXTS).to_str() == learn_words(TEXTS).to_str()
    assert word_starts([], None, learn_words(TEXTS)) == []
