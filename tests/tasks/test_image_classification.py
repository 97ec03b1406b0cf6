"""Products of images: from numbers in a file to a version that answers pictures in a process of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError

from modelmill import images
from modelmill.augmentation.augment_images import augment_images
from modelmill.errors import DataError
from modelmill.specs.image_augmentation import ImageAugmentations
from modelmill.specs.product import ProductSpec
from modelmill.specs.task import TaskSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.class_task import class_head
from modelmill.tasks.image_module import ImageModule
from modelmill.tasks.image_tensors import Form, Images, load_tensors
from modelmill.tasks.run import encode, fine_tune, load_predictor
from modelmill.training.fetch import fetch_backbone
from modelmill.training.image_architectures import untrained_backbone
from tests.conftest import ROOT, Project, made_once, make_project

RESNET = {"kind": "resnet", "channels": 1, "stem": 8, "widths": [8], "depths": [1]}
VIT = {"kind": "vit", "channels": 3, "side": 8, "patch": 4, "layers": 1, "hidden": 32, "heads": 2, "intermediate": 32}
QUICK = {"max_epochs": 2, "batch_images": 16, "learning_rate": 0.01, "precision": "32-true"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The product `digits` after `kedro run`, fewer epochs of it; tests only read it."""

    def run(root: Path) -> None:
        project = make_project(root)
        for kind, name in (("products", "mood"), ("backbones", "tiny")):
            (root / f"conf/base/{kind}/{name}.yml").unlink()
        for kind, name in (("products", "digits"), ("backbones", "small_resnet")):
            text = (ROOT / f"conf/base/{kind}/{name}.yml").read_text(encoding="utf-8")
            (root / f"conf/base/{kind}/{name}.yml").write_text(text, encoding="utf-8")
        own = {"digits": {"training": {"max_epochs": 3, "precision": "32-true"}, "evaluation": {"bootstrap": 100}}}
        project.declare("products", own, env="local")
        project.kedro("run")

    return Project(made_once(tmp_path_factory, "digits", run))


def bands(count: int, seed: int = 0, side: int = 8) -> pl.DataFrame:
    """Records of noise with a bright left or right half, and which of the two."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        pixels = rng.integers(90, size=(side, side, 1), dtype=np.uint8)
        half = slice(0, side // 2) if i % 2 else slice(side // 2, side)
        pixels[:, half] += 160
        rows.append((f"{i}", images.address(pixels), ["right", "left"][i % 2], images.encoded(pixels)))
    return pl.DataFrame(rows, schema=["id", "text", "label", "image"], orient="row")


def backbone_in(folder: Path, architecture: dict[str, Any]) -> Path:
    """The folder of a model that has seen nothing."""
    folder.mkdir()
    untrained_backbone(architecture).save(folder)
    return folder


def tensors_in(folder: Path, backbone: Path, task: dict[str, Any], names: tuple[str, str] = ("left", "right")) -> Path:
    """Encoded bands, labelled by these names."""
    folder.mkdir()
    train, validation = (
        table.with_columns(pl.col("label").replace_strict(["left", "right"], [*names]))
        for table in (bands(48), bands(16, 1))
    )
    spec = TaskSpec.model_validate({"kind": "image_classification", **task})
    encode(spec, train, validation, backbone, TokenizationSpec()).save(folder)
    return folder


def trained_in(folder: Path, tensors: Path, backbone: Path, **options: Any) -> Path:
    """A model folder after a few steps."""
    folder.mkdir()
    made = fine_tune(tensors, backbone, FineTuningSpec.model_validate({**QUICK, **options}), folder / "work")[2]
    made.save(folder)
    made.saved()
    return folder


def test_digits_go_the_whole_way(digits: Project) -> None:
    """Accuracy at least 0.95, above the majority; each test record has an answer; a version is registered."""
    report = digits.json("data/08_reporting/digits/metrics.json")
    assert report["metrics"]["accuracy"]["value"] >= 0.95
    assert report["baselines"]["majority"]["metrics"]["accuracy"]["value"] < 0.2
    assert report["baselines"]["linear"]["metrics"]["accuracy"]["value"] > 0.9
    assert report["leaks"]["in_training"] == 0
    assert digits.json("data/08_reporting/digits/version.json")["version"] == "1"
    card = (digits.root / "data/08_reporting/digits/model_card.md").read_text(encoding="utf-8")
    assert "from a random start" in card
    assert report["leaks"]["in_backbone_corpus"] == 0
    assert "images a batch" in card


@pytest.mark.slow
def test_a_version_answers_pictures_in_a_clean_process(digits: Project) -> None:
    """As the evaluation did: gates find the signature and the example, bytes and all, and ask."""
    checked = digits.kedro("model", "check", "digits@1", "--to", "staging", "--json", check=False)
    gates = {gate["gate"]: gate for gate in json.loads(checked.stdout)["results"]}
    assert {gates[name]["status"] for name in ("signature", "clean_load", "floors", "overlap", "card")} == {"pass"}
    assert "3 of them as in the evaluation" in gates["clean_load"]["reason"]


@pytest.mark.parametrize("architecture", [RESNET, VIT])
def test_both_architectures_learn_and_answer(tmp_path: Path, architecture: dict[str, Any]) -> None:
    """Grey images become RGB for a model that reads three channels; the folder is a plain transformers model."""
    from transformers import AutoModelForImageClassification

    backbone = backbone_in(tmp_path / "backbone", architecture)
    tensors = tensors_in(tmp_path / "tensors", backbone, {})
    model = trained_in(tmp_path / "model", tensors, backbone, max_epochs=40, patience=40, learning_rate=3e-3)
    test = bands(20, seed=2)
    said = load_predictor(model).answers(test)
    assert (said["label"] == test["label"]).mean() >= 0.9
    assert AutoModelForImageClassification.from_pretrained(model).config.id2label == {0: "left", 1: "right"}
    with pytest.raises(DataError, match="an image from number 1 on cannot be read: no image"):
        load_predictor(model).answers(pl.DataFrame({"image": [b"text"]}))


def test_a_trained_model_is_a_backbone(tmp_path: Path) -> None:
    """Its weights and its normalisation are taken over, also for other labels."""
    first = backbone_in(tmp_path / "first", RESNET)
    model = trained_in(tmp_path / "model", tensors_in(tmp_path / "one", first, {}), first)
    taken = tmp_path / "taken"
    taken.mkdir()
    fetch_backbone(str(model), {}, str(tmp_path)).save(taken)
    mean = load_tensors(tensors_in(tmp_path / "two", taken, {}, ("a", "b")))[1].mean
    assert mean == load_tensors(tmp_path / "one")[1].mean
    again = trained_in(tmp_path / "again", tmp_path / "two", taken, learning_rate=1e-9, max_epochs=1)
    before, after = (
        load_predictor(folder).model.resnet.embedder.embedder.convolution.weight for folder in (model, again)
    )
    assert torch.allclose(before, after, atol=1e-5)


def test_pixels_are_normalised_by_the_training_split(tmp_path: Path) -> None:
    """What a model reads of it has mean 0 and deviation 1; a declared size is kept to."""
    backbone = backbone_in(tmp_path / "backbone", RESNET)
    _, form, splits = load_tensors(tensors_in(tmp_path / "tensors", backbone, {"size": [4, 6]}))
    assert (form.height, form.width, form.channels) == (4, 6, 1)
    train = splits["train"]
    values = (train.pixels / 255 - train.mean) / train.deviation
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert values.std() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("architecture", "task", "said"),
    [
        (VIT, {"size": [9, 9]}, r"`task.size` is \[9, 9\], but the backbone reads images of \[8, 8\]"),
        (None, {}, "reads no images"),
    ],
)
def test_what_a_backbone_cannot_read_is_said(
    tmp_path: Path, architecture: dict[str, Any] | None, task: dict[str, Any], said: str
) -> None:
    """A transformer of images has one size; a model of texts has no channels."""
    if architecture:
        backbone = backbone_in(tmp_path / "backbone", architecture)
    else:
        backbone = tmp_path
        (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match=said):
        tensors_in(tmp_path / "tensors", backbone, task)


def module_of(count: int, tmp_path: Path, **options: Any) -> ImageModule:
    """A module over so many images, without batch normalisation: a transformer."""
    from modelmill.tasks.image_classification import new_model

    spec = FineTuningSpec.model_validate({**QUICK, "dropout": 0, **options})
    head = class_head(["left", "right"], spec, None)
    pixels = np.random.default_rng(0).integers(256, size=(count, 8, 8, 3), dtype=np.uint8)
    train = Images(pixels, np.arange(count) % 2, [0.5] * 3, [0.2] * 3)
    torch.manual_seed(0)
    return ImageModule(new_model(backbone_in(tmp_path / "backbone", VIT), head, 0, False), train, spec, head)


def test_an_epoch_has_every_image_once(tmp_path: Path) -> None:
    """In batches of nearly one size, in an order that each epoch draws."""
    module = module_of(35, tmp_path, batch_images=16)
    epochs = []
    for epoch in (0, 1):
        make, count = module.epoch_batches(epoch)
        batches = [make(i) for i in range(count)]
        assert [len(labels) for _, labels, _ in batches] == [12, 12, 11]
        epochs.append([pixels.numpy().tobytes() for batch, _, _ in batches for pixels in batch])
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(image.tobytes() for image in module.train_images.pixels)
    assert epochs[0] != epochs[1]


def test_parts_of_a_batch_have_its_gradient(tmp_path: Path) -> None:
    """The mean over three parts is the batch; a part without images changes nothing."""
    module = module_of(5, tmp_path, batch_images=8)
    make, _ = module.epoch_batches(0)
    whole = module.losses(make(0))[0]
    for parts in (3, 6):
        pieces = [module.part(make(0), part, parts) for part in range(parts)]
        assert sum(module.losses(piece)[0].item() for piece in pieces) / parts == pytest.approx(whole.item(), abs=1e-6)
    assert sum(module.sizes(piece)[1] for piece in pieces) == 5


def declared(**sections: Any) -> Callable[[], ProductSpec]:
    """A product of images with some sections."""
    whole = {"task": "image_classification", "backbone": "b", "source": {"files": "{label}/*.png"}, **sections}
    return lambda: ProductSpec.model_validate(whole)


def test_defaults_of_texts_are_off() -> None:
    """Near duplicates are of words; batches are of images; a declaration that was resolved resolves to itself."""
    spec = declared()()
    assert spec.split.near_duplicates is None
    assert spec.training.batch_images == 128
    assert ProductSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"cleaning": {"min_chars": 3}}, "`cleaning.min_chars` is for texts"),
        ({"cleaning": {"languages": {"allowed": "en"}}}, "`cleaning.languages` is for texts"),
        ({"cleaning": {"privacy": {}}}, "`cleaning.privacy` is for texts"),
        ({"split": {"near_duplicates": {}}}, "`near_duplicates`: made for texts in a language"),
        ({"tokenization": {"max_tokens": 64}}, "`tokenization` is for texts"),
        ({"training": {"batch_tokens": 64}}, "`training.batch_tokens` is for texts"),
        ({"augmentation": {"kind": "delete"}}, "Input should be 'flip'"),
        ({"augmentation": {"kind": "mixup", "strength": 1}}, "mixes batches, which training does not do"),
        ({"source": {"files": "a.csv"}}, "reads image, and the records of `a.csv` are of another sort"),
        ({"task": "text_classification"}, "reads text, and the records of"),
    ],
)
def test_what_would_do_nothing_is_refused(sections: dict[str, Any], said: str) -> None:
    """Sections that are for texts."""
    with pytest.raises(ValidationError, match=said):
        declared(**sections)()


def test_altered_copies_are_images_of_their_own() -> None:
    """Mirrored pixels, the address of those, the original's label, an id that says whose copy it is."""
    train = bands(4)
    steps = ImageAugmentations.model_validate([{"kind": "flip", "strength": 1}])
    found, preview = augment_images(train, steps, "")
    assert found["id"].to_list() == ["0", "1", "2", "3", "0+flip1", "1+flip1", "2+flip1", "3+flip1"]
    assert found["label"].to_list() == train["label"].to_list() * 2
    original, copy = (images.decoded(found["image"][row]) for row in (0, 4))
    assert np.array_equal(copy, original[:, ::-1])
    assert found["text"][4] == images.address(copy)
    assert preview.select("before", "after").row(0) == (found["text"][0], found["text"][4])


def test_a_form_is_what_a_trained_backbone_reads(tmp_path: Path) -> None:
    """Its own mean and size, not those of the images."""
    (tmp_path / "config.json").write_text('{"num_channels": 3}')
    said = {"size": {"height": 5, "width": 7}, "image_mean": [0.1] * 3, "image_std": [0.2] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    form = Form.of(tmp_path, bands(1)["image"][0], None)
    assert form == Form(5, 7, 3, [0.1] * 3, [0.2] * 3)
    assert form.stacked([bands(1)["image"][0]]).shape == (1, 5, 7, 3)
