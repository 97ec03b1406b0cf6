"""What makes training faster on processors changes no arithmetic."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from modelmill.training import processor_module
from modelmill.training.processor_module import fast_on_processors, noise
from tests.training.models import SIZE, classifier

FORM = (2, 3, 5, 4)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a GPU nothing would be changed."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@given(st.floats(0, 0.9), st.lists(st.integers(1, 9), min_size=1, max_size=3), st.sampled_from([4, 2]))
def test_noise_has_two_values_whose_mean_is_one(rate: float, shape: list[int], size: int) -> None:
    """Each value is 0 or 1 / (1 - rate), in every shape and precision."""
    dtype = torch.float32 if size == 4 else torch.bfloat16
    found = noise(torch.Size(shape), rate, dtype)
    assert found.shape == torch.Size(shape)
    assert found.dtype == dtype
    kept = found[found != 0]
    assert torch.allclose(kept.float(), torch.full_like(kept, 1 / (1 - rate)).float(), rtol=1e-2)


def test_noise_drops_the_declared_share() -> None:
    """Of 400,000 values a tenth is dropped, within four standard deviations, and all four numbers of a word alike."""
    torch.manual_seed(0)
    zeros = (noise(torch.Size([100_000, 4]), 0.1, torch.float32) == 0).float().mean(0)
    assert torch.allclose(zeros, torch.full((4,), 0.1), atol=4 * math.sqrt(0.09 / 100_000))


def test_noise_follows_from_the_seed() -> None:
    """The same seed gives the same values: a training that goes on depends on it."""
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(noise(torch.Size([50]), 0.5, torch.float32))
    assert torch.equal(*drawn)


@pytest.mark.parametrize("masked", [True, False])
def test_attention_with_dropout_and_its_gradients(masked: bool) -> None:
    """They are those of the formula, softmax(q k / sqrt(d)) times noise times v, derived by torch."""
    torch.manual_seed(0)
    inputs = [torch.randn(FORM, dtype=torch.float32, requires_grad=True) for _ in range(3)]
    mask = torch.rand(2, 1, 5, 5) < 0.7 if masked else None
    if mask is not None:
        mask[..., 0] = True
    torch.manual_seed(1)
    found, _ = processor_module._attention(torch.nn.Module(), *inputs, mask, dropout=0.3, scaling=None)
    torch.manual_seed(1)
    kept = noise(torch.Size([6, 5, 5]), 0.3, torch.float32).view(2, 3, 5, 5)
    query, key, value = inputs
    scores = query @ key.transpose(2, 3) / 2
    scores = scores if mask is None else scores.masked_fill(~mask, float("-inf"))
    expected = (scores.softmax(-1) * kept @ value).transpose(1, 2)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(found)
    for mine, theirs in zip(
        torch.autograd.grad(found, inputs, weight), torch.autograd.grad(expected, inputs, weight), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_without_dropout_nothing_changes(kind: str) -> None:
    """Logits and gradients of a model without dropout are the same bits within and without."""
    ids, mask = torch.randint(4, 40, (3, 8)), torch.tensor([[1] * 8, [1] * 5 + [0] * 3, [1] * 2 + [0] * 6])
    found = []
    for fast in (False, True):
        model = classifier(kind)
        if fast:
            with fast_on_processors(model):
                model(input_ids=ids, attention_mask=mask).logits.sum().backward()
        else:
            model(input_ids=ids, attention_mask=mask).logits.sum().backward()
        found.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.usefixtures("no_gpu")
def test_the_model_is_as_before_afterwards() -> None:
    """After it, also after an error, the model has its own attention and dropout again."""
    model = classifier("bert", hidden_dropout_prob=0.5)
    before = model.config._attn_implementation
    with pytest.raises(KeyError), fast_on_processors(model):
        raise KeyError
    assert model.config._attn_implementation == before
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("kind", ["bert", "modernbert", "llama", "gpt2"])
def test_attention_with_dropout_in_bf16(kind: str) -> None:
    """Every architecture trains with dropout under autocast, where some hand over states of two precisions."""
    from transformers import AutoConfig, AutoModel

    dropout = {"attention_probs_dropout_prob": 0.1, "attention_dropout": 0.1, "attn_pdrop": 0.1}
    model = AutoModel.from_config(AutoConfig.for_model(kind, **SIZE, **dropout)).train()
    ids = torch.randint(4, 40, (3, 8))
    sees = torch.ones(8, 8, dtype=torch.bool).tril().expand(3, 1, 8, 8)
    with fast_on_processors(model):
        with torch.autocast("cpu", torch.bfloat16):
            found = model(input_ids=ids, attention_mask=sees).last_hidden_state
        found.float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
