"""Language models that go on with texts, and what they are judged by."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from modelmill.specs.kinds import DecodingSpec, TextGenerationSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.generated import GeneratedOutcome, chrf, chrf_counts, distinct
from modelmill.tasks.generation_module import likelihoods
from modelmill.tasks.outcome import Resampling, metric_table
from modelmill.tasks.run import fine_tune, load_predictor, predict
from modelmill.tasks.task import task_of
from modelmill.tasks.text_generation import windows
from modelmill.tasks.trigrams import Trigrams
from modelmill.tokenization.tokens import Tokens, TokenShards, load_tokenizer
from tests.training.tiny import corpus_of, made, specified

CAUSAL = {"objective": "causal_lm", "kind": "gpt2", "tokenizer": {"kind": "byte_bpe", "vocabulary": 300}}
GREEDY = {"decoding": {"temperature": 0, "max_new_tokens": 20}}


def tuned(task: dict[str, Any], records: pl.DataFrame, folder: Path) -> Path:
    """A model folder that has read the records again and again."""
    backbone = made(specified(**CAUSAL, training={"max_steps": 30}), records.with_columns(label=pl.lit(None)), folder)
    for name in ("product", "model"):
        (folder / name).mkdir()
    splits = {"train": records, "validation": records.head(8)}
    task_of(task).encode(splits, backbone, TokenizationSpec(max_tokens=48)).save(folder / "product")
    plan = FineTuningSpec(max_epochs=25, learning_rate=0.003, batch_tokens=256, precision="32-true", patience=9)
    fine_tune(folder / "product", backbone, plan, folder / "work")[2].save(folder / "model")
    return folder / "model"


def test_likelihoods_are_those_of_a_plain_loop() -> None:
    """Tokens behind the prompt count, padding does not, and the first token never does."""
    torch.manual_seed(0)
    logits, ids = torch.randn(3, 5, 7), torch.randint(7, (3, 5))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])
    prompts = [0, 1, 3]
    found = likelihoods(logits, ids, mask, torch.tensor(prompts))
    for row, prompt in enumerate(prompts):
        asked = range(max(1, prompt), int(mask[row].sum()))
        loss = -sum(float(logits[row, at - 1].log_softmax(-1)[ids[row, at]]) for at in asked)
        assert found[row].tolist() == pytest.approx([loss, len(asked)], rel=1e-5)


def test_windows_judge_each_token_once() -> None:
    """Of texts of any length, behind any prompt; and a later token sees half a window before it."""
    for length in range(2, 40):
        for prompt in (1, 5, length - 1):
            tokens = Tokens.of([list(range(length))], [prompt])
            cut, part = windows(tokens, 8)
            judged = [int(one) for i in range(len(cut)) for one in cut[i][cut.labels[i] :]]
            assert judged == list(range(max(1, prompt), length))
            assert set(part) == {0}
            assert all(len(cut[i]) <= 8 for i in range(len(cut)))


def test_trigrams_are_a_distribution() -> None:
    """Behind any two characters the shares of all characters, the end and one that was never seen sum to one."""
    trigrams = Trigrams(["abab", "abc", "bca"], ["ab"])
    known = [*"abc", "\u0003"]
    for context in ("ab", "\u0002\u0002", "\u0002a", "zz", "cz"):
        assert sum(trigrams._share(context + one) for one in [*known, "?"]) == pytest.approx(1)
    assert trigrams.loss("abab") == pytest.approx(trigrams.loss("abab", 2) - sum(
        math.log(trigrams._share(three)) for three in ("\u0002\u0002a", "\u0002ab")
    ))  # fmt: skip


def test_trigrams_write_what_they_have_read() -> None:
    """Each three characters stand in a text, and the same seed draws the same."""
    trigrams = Trigrams(["春眠不觉晓", "春风不度玉门关"], ["春眠"])
    written = trigrams.write("春", 20, "one")
    assert written == trigrams.write("春", 20, "one")
    assert {*written} <= {*"眠不觉晓风度玉门关"}


def test_chrf_by_hand() -> None:
    """Equal texts have 1, strangers 0; of 'ab' for 'abc' precision is 1 and recall 2/3 and 1/2."""
    assert chrf(np.array([chrf_counts("猫坐在", "猫坐在"), chrf_counts("xyz", "abc")]).reshape(2, 6, 3)).tolist() == [
        1,
        0,
    ]
    recall = (2 / 3 + 1 / 2) / 2
    counts = np.array(chrf_counts("a b", "abc")).reshape(6, 3)
    assert float(chrf(counts)) == pytest.approx(5 * recall / (4 + recall))


def test_distinct_by_hand() -> None:
    """Of three words two are different, of two pairs both; a text without pairs has no share."""
    assert distinct(["a", "b", "a"], 1) == pytest.approx(2 / 3)
    assert distinct(["a", "b", "a"], 2) == 1
    assert distinct(["a"], 2) is None


def test_a_model_goes_on_and_beats_trigrams(tmp_path: Path) -> None:
    """It learns which end goes with which beginning, farther away than three characters."""
    texts = [f"the {colour} cat number {i} likes {drink}" for i in range(20) for colour, drink in
             (("white", "some milk"), ("black", "old wine"))]  # fmt: skip
    records = corpus_of(texts).with_columns(id=pl.format("r{}", "id"))
    task = {"kind": "text_generation", "prompt": 0.75, **GREEDY}
    model = tuned(task, records, tmp_path)
    test = records.head(10)
    predictions = predict(model, test)
    baseline = task_of(task).baselines(records, records.head(4), test)["trigrams"]
    ours, theirs = task_of(task).outcomes(predictions, baseline)
    assert ours.value("perplexity") < theirs.value("perplexity")
    assert set(metric_table(ours, Resampling(100, 0.95, 0))) == {"perplexity", "chrf", "distinct_1", "distinct_2"}
    given = "the white cat number 3 likes"
    written = load_predictor(model).answers(pl.DataFrame({"text": [given, given.replace("white", "black")]}))
    assert written["label"].to_list() == ["some milk", "old wine"]


def test_an_instruction_is_answered(tmp_path: Path) -> None:
    """What is asked is given, and the answer alone learned: behind an instruction stands a whole answer and no more."""
    rows = [(f"r{i}", f"say {word} {i}", word[::-1]) for i in range(40) for word in ("cat", "dog")]
    records = pl.DataFrame(rows, schema=["id", "text", "label"], orient="row")
    model = tuned({"kind": "text_generation", "format": "instruction", **GREEDY}, records, tmp_path)
    tokens, tokenizer = TokenShards.load(tmp_path / "product").splits["train"], load_tokenizer(model)
    for i in range(4):
        given, answer = np.split(tokens[i], [tokens.labels[i]])
        assert tokenizer.decode(given, skip_special_tokens=True) == records["text"][i] + "\n"
        assert tokenizer.decode(answer) == records["label"][i] + tokenizer.eos_token
    written = load_predictor(model).answers(pl.DataFrame({"text": ["say cat 3", "say dog 3"]}))["label"]
    assert {*written} <= {"tac", "god"}


def test_unwritten_records_count_for_the_perplexity_alone() -> None:
    """Two records, one of which was written for: its own shares are the metrics."""
    empty = dict.fromkeys([f"chrf_{i}_{what}" for i in range(1, 7) for what in ("same", "written", "reference")])
    base = {"id": "a", "label": "x", "predicted": None, "prompt": None, "loss": 2.0, "characters": 2, **empty}
    first = {**base, "predicted": "ab", "distinct_1": 0.5, "distinct_2": 1.0, **dict.fromkeys(empty, 1)}
    table = pl.DataFrame([first, {**base, "loss": 6.0, "distinct_1": None, "distinct_2": None}])
    outcome = GeneratedOutcome.of(table)
    assert outcome.value("perplexity") == pytest.approx(math.exp(8 / 4))
    assert (outcome.value("distinct_1"), outcome.value("chrf")) == (0.5, 1)
    assert outcome.right() is None


def test_beams_and_temperature_exclude_each_other() -> None:
    """One searches, the other draws."""
    with pytest.raises(ValueError, match="leave one out"):
        DecodingSpec(beams=4)
    assert TextGenerationSpec().target == "nothing"
