"""Recommendation: a rule between items is learned; ranks by hand; what may be declared."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from pydantic import ValidationError

from modelmill.specs.backbone import ArchitectureSpec, TokenizerSpec
from modelmill.specs.kinds import RecommendationSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.outcome import Resampling, difference, metric_table
from modelmill.tasks.ranking import RankOutcome
from modelmill.tasks.recommendation import Recommendation
from modelmill.tasks.run import fine_tune, load_predictor, predict
from modelmill.tokenization.tokens import TokenShards, load_tokenizer
from modelmill.tokenization.train import train_tokenizer
from modelmill.training.architectures import new_model

ITEMS = [f"Film{n}" for n in range(40)]
TASK = Recommendation(RecommendationSpec())
RESAMPLING = Resampling(200, 0.95, 0)


def records(starts: range, length: int) -> pl.DataFrame:
    """Histories in which each film follows on the one before it, round and round; all films are as popular."""
    rows = [[ITEMS[(start + n) % len(ITEMS)] for n in range(length)] for start in starts]
    return pl.DataFrame(
        [
            (f"u{i}:{length - 1}", " ".join(row[:-1]), row[-1], f"f:{i}", f"u{i}", "2001-01-01")
            for i, row in enumerate(rows)
        ],
        schema=dict.fromkeys(["id", "text", "label", "origin", "group", "time"], pl.String),
        orient="row",
    )


TRAIN, HELD_OUT = records(range(80), 9), records(range(0, 40, 2), 4)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model over the films, with their tokenizer."""
    folder = tmp_path_factory.mktemp("backbone")
    shape = ArchitectureSpec(layers=1, hidden=32, heads=2, intermediate=32, max_tokens=16)
    train_tokenizer(TRAIN, TokenizerSpec(kind="word"), shape.kind).save(folder)
    torch.manual_seed(0)
    new_model(shape, "masked_lm", load_tokenizer(folder)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the rule, fine-tuned from that."""
    folder = tmp_path_factory.mktemp("model")
    TASK.encode({"train": TRAIN, "validation": HELD_OUT}, backbone, TokenizationSpec(max_tokens=8)).save(
        folder / "tokens"
    )
    spec = FineTuningSpec(
        max_epochs=12, learning_rate=0.01, batch_tokens=512, dropout=0, precision="32-true", patience=12
    )
    fine_tune(folder / "tokens", backbone, spec, folder / "work")[-1].save(folder)
    return folder


def test_a_rule_is_learned_and_popularity_fails(model: Path) -> None:
    """The film after the last one stands first; all are as popular, so popularity is far below, intervals apart, and
    neighbours know what goes together but not what comes next."""
    said = predict(model, HELD_OUT)
    others = TASK.baselines(TRAIN, HELD_OUT, HELD_OUT)
    ours, popular, neighbours = TASK.outcomes(said, *others.values())
    assert ours.value("ndcg_10") > 0.9
    assert popular.value("ndcg_10") < 0.4
    assert popular.value("ndcg_10") < neighbours.value("ndcg_10") < ours.value("ndcg_10")
    assert difference(ours, popular, "ndcg_10", RESAMPLING)["low"] > 0
    assert [*others] == ["popularity", "item_knn"]


def test_answers_are_possible_and_new_to_the_user(model: Path) -> None:
    """Ten different films of training, none of the history, the best one first; what is cut off the window counts as
    history, too, and an unknown film is no obstacle."""
    told = pl.DataFrame({"text": [" ".join(ITEMS[:25]), "Film1 Film2 Unseen Film3", "Film5 Film6 Film7"]})
    predictor = load_predictor(model)
    answers = predictor.answers(told)
    assert answers.columns == [name for name, _ in TASK.answer_columns(predictor.product)]
    assert TASK.why_impossible(answers, predictor.product) is None
    for text, items in zip(told["text"], answers["items"], strict=True):
        assert len(items.split()) == 10
        assert not {*items.split()} & {*text.split()}
    assert "Film4" in answers["items"][1].split()[:3]
    assert "Film8" in answers["items"][2].split()[:3]
    again = Recommendation(RecommendationSpec(repeat=True)).predictor(model).answers(told)
    assert {*again["items"][0].split()} & {*ITEMS[:25]}
    broken = answers.with_columns(items=pl.lit("Film1 Film1"), label=pl.lit("Film1"))
    assert TASK.why_impossible(broken, predictor.product)


def test_every_place_of_a_training_record_is_an_example(backbone: Path, tmp_path: Path) -> None:
    """Of nine films eight are learned, each from the last ones before it that fit; a held-out record is one example."""
    TASK.encode({"train": TRAIN[:1], "validation": HELD_OUT[:1]}, backbone, TokenizationSpec(max_tokens=8)).save(
        tmp_path / "t"
    )
    shards, tokenizer = TokenShards.load(tmp_path / "t"), load_tokenizer(backbone)
    read = [tokenizer.decode(shards.splits["train"][i]) for i in (0, 1, 7)]
    assert read == [
        "[CLS] Film0 [MASK] [SEP]",
        "[CLS] Film0 Film1 [MASK] [SEP]",
        "[CLS] Film3 Film4 Film5 Film6 Film7 [MASK] [SEP]",
    ]
    assert [shards.about["labels"][i] for i in shards.splits["train"].labels] == ITEMS[1:9]
    assert len(shards.splits["validation"]) == 1
    assert tokenizer.decode(shards.splits["validation"][0]) == "[CLS] Film0 Film1 Film2 [MASK] [SEP]"


def test_figures_by_hand() -> None:
    """Ann's two records have the true film at rank 1 and nowhere, Bob's one at rank 3: each user counts the same."""
    said = pl.DataFrame(
        {
            "id": ["ann:3", "ann:4", "bob:x:1"],
            "label": ["a", "z", "d"],
            "predicted": ["a", "a", "b"],
            "items": ["a b c", "a b", "b c d"],
            "catalogue": [8.0] * 3,
        }
    )
    outcome = RankOutcome.of(said)
    assert outcome.users == ["ann", "bob:x"]
    assert outcome.value("ndcg_10") == pytest.approx((0.5 + 0.5) / 2)  # 1 / log2(3 + 1) is a half
    assert outcome.value("recall_10") == pytest.approx((0.5 + 1) / 2)
    assert outcome.value("mrr_10") == pytest.approx((0.5 + 1 / 3) / 2)
    assert outcome.value("coverage_10") == 4 / 8
    table = metric_table(outcome, RESAMPLING)
    assert table["recall_10"]["low"], table["recall_10"]["high"] == (0.5, 1)
    assert table["coverage_10"]["low"] == 3 / 8  # Ann alone, or Bob alone


def test_what_gives_a_test_record_away() -> None:
    """A record of the same user that reaches to its time or beyond, in any spelling of the time; earlier ones and those
    of others do not, nor do records without users."""
    test = HELD_OUT[:2].with_columns(time=pl.lit("2001-01-02"))
    assert TASK.given_away(test, [TRAIN]) == 0
    assert TASK.given_away(test, [TRAIN, TRAIN[:1].with_columns(time=pl.lit("978393600"))]) == 1  # 2001-01-02
    assert TASK.given_away(test, [TRAIN[5:].with_columns(time=pl.lit("2002-01-01"))]) == 0
    assert TASK.given_away(test, [TRAIN.select("id", "text")]) == 0


GOOD: dict[str, Any] = {
    "task": "recommendation",
    "source": {"files": "a.csv", "columns": {"group": "user", "time": "when", "text": "film", "label": "film"}},
    "backbone": "items",
    "split": {"by": "time", "validation_from": "2001-01-01", "test_from": "2001-02-01"},
}


def test_rules_on_language_are_off() -> None:
    """Near duplicates are, by themselves, and stay so when the whole declaration is read again."""
    spec = ProductSpec.model_validate(GOOD)
    assert spec.split.near_duplicates is None
    assert spec.metric == "ndcg_10"
    assert ProductSpec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec
    text = ProductSpec.model_validate({**GOOD, "task": "text_classification"})
    assert text.split.near_duplicates is not None


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"cleaning": {"drop_spam": True, "privacy": {}}}, "`cleaning.drop_spam`, `cleaning.privacy`: made for texts"),
        ({"split": {**GOOD["split"], "near_duplicates": {}}}, "`near_duplicates`: made for texts in a language"),
        ({"augmentation": [{"kind": "delete"}]}, "`augmentation`: made for texts in a language"),
        ({"split": {"by": "random"}}, "foretells what comes later"),
        ({"source": {"files": "a.csv", "columns": {"text": "film", "time": "when"}}}, "reads what came after what"),
    ],
)
def test_what_makes_no_sense_is_refused(declared: dict[str, Any], message: str) -> None:
    """Each with what to do."""
    with pytest.raises(ValidationError, match=message):
        ProductSpec.model_validate({**GOOD, **declared})
