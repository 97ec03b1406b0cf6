"""Taking a backbone from somewhere."""

import json
from pathlib import Path

import pytest

from modelmill.errors import SourceError
from modelmill.training.fetch import fetch_backbone


def folder(path: Path, *names: str) -> Path:
    """A folder with files of these names."""
    path.mkdir()
    for name in names:
        (path / name).write_text(name)
    return path


def test_the_needed_files_are_copied_with_their_digests(tmp_path: Path) -> None:
    """Weights, config and tokenizer come along; a pickle beside them stays behind."""
    source = folder(tmp_path / "source", "config.json", "model.safetensors", "tokenizer.json", "pytorch_model.bin")
    target = folder(tmp_path / "target")
    fetch_backbone("source", {}, str(tmp_path)).save(target)
    assert sorted(p.name for p in target.iterdir()) == [
        "backbone.json",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    about = json.loads((target / "backbone.json").read_text())
    assert about["taken_from"] == "source"
    assert set(about["sha256"]) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert (source / "pytorch_model.bin").exists()


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    """A folder without safetensors is no backbone."""
    folder(tmp_path / "source", "config.json", "tokenizer.json", "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"lacks \*.safetensors.*\n.*pickled weights are refused"):
        fetch_backbone("source", {}, str(tmp_path))


def test_another_file_than_the_declared_one_is_refused(tmp_path: Path) -> None:
    """`sha256` is checked before anything is copied."""
    folder(tmp_path / "source", "config.json", "model.safetensors", "tokenizer.json")
    with pytest.raises(SourceError, match=r"'model.safetensors' is not the declared file"):
        fetch_backbone("source", {"model.safetensors": "0" * 64}, str(tmp_path))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The address as it was declared."""
    with pytest.raises(SourceError, match="no/where: there is no such folder"):
        fetch_backbone("no/where", {}, str(tmp_path))


def test_a_model_of_the_hub_is_taken_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hf://OWNER/NAME`, by huggingface_hub, which is offline here and finds the model among its downloads."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cache, commit = tmp_path / "models--owner--name", "0" * 40
    (cache / "refs").mkdir(parents=True)
    (cache / "refs/main").write_text(commit)
    (cache / "snapshots").mkdir()
    folder(cache / "snapshots" / commit, "config.json", "model.safetensors", "tokenizer.json")
    fetched = fetch_backbone("hf://owner/name", {}, str(tmp_path))
    assert [file.shown for file in fetched.files] == ["config.json", "model.safetensors", "tokenizer.json"]
    with pytest.raises(SourceError, match=r"hf://owner/other: the hub did not give the model"):
        fetch_backbone("hf://owner/other", {}, str(tmp_path))
