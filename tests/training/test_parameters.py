"""Which parameters are trained, and at which rate."""

import copy

import pytest
import torch

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec, FreezeSpec
from modelmill.training.parameters_module import (
    depths,
    freeze,
    layer_rates,
    layers_of,
    parameter_groups,
    shrink,
)
from tests.training.models import CONFIGS, classifier

LOWEST = {
    "bert": (
        "bert.embeddings.LayerNorm.weight",
        "bert.encoder.layer.0.output.dense.weight",
        "bert.pooler.dense.weight",
    ),
    "roberta": (
        "roberta.embeddings.position_embeddings.weight",
        "roberta.encoder.layer.0.output.dense.weight",
        "classifier.dense.weight",
    ),
    "electra": (
        "electra.embeddings_project.weight",
        "electra.encoder.layer.0.output.dense.weight",
        "classifier.dense.weight",
    ),
    "distilbert": (
        "distilbert.embeddings.word_embeddings.weight",
        "distilbert.transformer.layer.0.ffn.lin1.weight",
        "pre_classifier.weight",
    ),
    "modernbert": ("model.embeddings.norm.weight", "model.layers.0.mlp.Wi.weight", "model.final_norm.weight"),
}
"""Of each architecture, a parameter before the layers, one of the lowest of two, and one after them."""


@pytest.mark.parametrize("kind", CONFIGS)
def test_layers_are_found_by_structure(kind: str) -> None:
    """Two layers, embeddings before them, pooler and head after them, in five architectures."""
    model = classifier(kind)
    found = depths(model)
    assert set(found) == {name for name, _ in model.named_parameters()}
    assert [found[name] for name in LOWEST[kind]] == [0, 1, 3]
    assert set(found.values()) == {0, 1, 2, 3}
    assert len(layers_of(model)[1]) == 2


def test_an_encoder_without_one_stack_of_layers_is_refused() -> None:
    """Encoder and decoder have as many layers: which are the lowest?"""
    from transformers import BartConfig, BartForSequenceClassification

    sizes = {f"{part}_{what}": 2 for part in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    model = BartForSequenceClassification(BartConfig(vocab_size=40, d_model=8, max_position_embeddings=8, **sizes))
    with pytest.raises(DataError, match=r"model.encoder.layers and model.decoder.layers could be them"):
        depths(model)
    bert = classifier("bert")
    bert.bert.encoder.layer = torch.nn.Sequential(*bert.bert.encoder.layer)
    with pytest.raises(DataError, match=r"no list could be them"):
        layers_of(bert)


@pytest.mark.parametrize(
    ("spec", "still"),
    [
        (FreezeSpec(), set()),
        (FreezeSpec(embeddings=True), {0}),
        (FreezeSpec(layers=1), {1}),
        (FreezeSpec(embeddings=True, layers=1), {0, 1}),
        (FreezeSpec(embeddings=True, layers="all"), {0, 1, 2}),
    ],
)
@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_what_is_frozen_stays_and_the_rest_moves(kind: str, spec: FreezeSpec, still: set[int]) -> None:
    """After a step of AdamW with decay, exactly the frozen parameters are what they were."""
    model = classifier(kind)
    freeze(model, spec)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW(parameter_groups(model, FineTuningSpec(learning_rate=0.1), {}, 0.0))
    ids = torch.arange(4, 36).reshape(4, 8)
    model(input_ids=ids, labels=torch.tensor([0, 1, 1, 1])).loss.backward()
    optimizer.step()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {name for name, depth in depths(model).items() if depth not in still}


def test_more_frozen_layers_than_there_are_is_refused() -> None:
    """Two layers cannot lose three."""
    with pytest.raises(DataError, match=r"`training.freeze.layers` is 3, but the backbone has 2 layers"):
        freeze(classifier("bert"), FreezeSpec(layers=3))


def test_rates_fall_from_the_head_to_the_embeddings() -> None:
    """1, 1/2, 1/4, 1/8 of the declared rate; without decay there is one rate."""
    model = classifier("bert")
    rates = layer_rates(model, 0.5)
    assert rates["classifier.weight"] == rates["bert.pooler.dense.weight"] == 1
    assert rates["bert.encoder.layer.1.output.dense.weight"] == 0.5
    assert rates["bert.encoder.layer.0.output.dense.weight"] == 0.25
    assert rates["bert.embeddings.word_embeddings.weight"] == 0.125
    assert layer_rates(model, 1.0) == {}


def test_groups_have_rate_and_decay_as_declared() -> None:
    """Every trained parameter is in one group; matrices are decayed, biases and norms are not."""
    model = classifier("bert")
    spec = FineTuningSpec(learning_rate=0.8, weight_decay=0.3, layer_decay=0.5, l1=0.2)
    groups = parameter_groups(model, spec, layer_rates(model, spec.layer_decay), spec.l1)
    assert [(g["lr"], g["weight_decay"], g["l1"]) for g in groups] == [
        (rate, *pulls) for rate in (0.8, 0.4, 0.2, 0.1) for pulls in ((0.3, 0.2), (0.0, 0.0))
    ]
    place = {id(p): i for i, group in enumerate(groups) for p in group["params"]}
    assert len(place) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    names = {name: place[id(parameter)] for name, parameter in model.named_parameters()}
    assert names["classifier.weight"] == 0
    assert names["classifier.bias"] == 1
    assert names["bert.encoder.layer.1.output.LayerNorm.weight"] == 3
    assert names["bert.embeddings.LayerNorm.weight"] == 7


def test_shrinking_goes_towards_zero_and_not_across() -> None:
    """Rate 0.1 x l1 2 takes 0.2 from every weight's size; a group without l1 stays."""
    weights, biases = (torch.nn.Parameter(torch.tensor([1.0, -1.0, 0.1, -0.1, 0.0])) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [weights], "l1": 2.0}, {"params": [biases], "l1": 0.0}], lr=0.1)
    optimizer.register_step_post_hook(shrink)
    optimizer.step()
    assert weights.tolist() == pytest.approx([0.8, -0.8, 0.0, 0.0, 0.0])
    assert biases.tolist() == pytest.approx([1.0, -1.0, 0.1, -0.1, 0.0])
