"""Fine-tuning steps against a plain loop."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.class_task import class_head
from modelmill.tasks.text_module import TextModule, step_factors
from modelmill.tokenization.tokens import Tokens
from modelmill.training.batches import mixed_batches, padded
from modelmill.training.class_weights import class_weights
from modelmill.training.fit import FitPlan, fit
from modelmill.training.parameters_module import depths
from modelmill.training.prepare import prepared
from modelmill.training.work import Work
from tests.training.models import classifier, texts

State = dict[str, torch.Tensor]


class Recorded(TextModule):
    """Keeps weights, gradient before clipping and rates of every step."""

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        gradient = {name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None}
        weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.steps.append((weights, gradient, [group["lr"] for group in optimizer.param_groups]))
        super().configure_gradient_clipping(optimizer)


def run(model: Any, tokens: Tokens, spec: FineTuningSpec) -> Recorded:
    """Train with Lightning."""
    module = Recorded(model, tokens, spec, class_head("ab", spec, class_weights(spec, tokens.labels, ["a", "b"])))
    module.steps = []
    plan = FitPlan(
        spec.precision, max_epochs=spec.max_epochs, accumulate=spec.accumulate, micro_batches=spec.micro_batches
    )
    with prepared(model, spec), TemporaryDirectory() as folder:
        validation = module.validation_batches(texts(4, seed=9), 1000)
        report = fit(module, validation, plan, Work.of(Path(folder), spec))[1]
    assert report["steps"] == len(module.steps)
    return module


def rows_of_steps(tokens: Tokens, spec: FineTuningSpec) -> Iterator[list[list[np.ndarray]]]:
    """The batches of each step, epoch after epoch."""
    for epoch in range(spec.max_epochs):
        batches = mixed_batches(tokens.lengths, spec.batch_tokens, (spec.seed, epoch))
        yield from (batches[start : start + spec.accumulate] for start in range(0, len(batches), spec.accumulate))


def record_loss(model: Any, ids: torch.Tensor, label: torch.Tensor, spec: FineTuningSpec) -> torch.Tensor:
    """Of one record alone; FGM as the paper has it, on embeddings that are computed first."""
    table = model.get_input_embeddings().weight
    vectors = table[ids]

    def loss(inputs: torch.Tensor) -> torch.Tensor:
        return cross_entropy(model(inputs_embeds=inputs).logits, label, label_smoothing=spec.label_smoothing)

    clean = loss(vectors)
    if spec.adversarial is None:
        return clean
    (gradient,) = torch.autograd.grad(clean, vectors, retain_graph=True)
    return clean + loss(vectors + spec.adversarial.epsilon * gradient / gradient.norm())


def plain_gradient(model: Any, tokens: Tokens, rows: np.ndarray, spec: FineTuningSpec) -> State:
    """Of the mean over the records of a step, one by one or in one padded batch."""
    model.zero_grad()
    labels = torch.from_numpy(tokens.labels[rows])
    if spec.adversarial:
        losses = [
            record_loss(model, torch.from_numpy(tokens[row].astype(np.int64))[None], label[None], spec)
            for row, label in zip(rows, labels, strict=True)
        ]
        loss = torch.stack(losses).mean()
    else:
        ids, mask = map(torch.from_numpy, padded(tokens, rows, 0))
        logits = model(input_ids=ids, attention_mask=mask).logits
        each = cross_entropy(logits, labels, label_smoothing=spec.label_smoothing, reduction="none")
        counts = np.bincount(tokens.labels)
        weights = torch.tensor(len(tokens) / (2 * counts)) if spec.class_weights == "balanced" else torch.ones(2)
        loss = (weights[labels] * each).sum() / len(rows)
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one batch to a step": {"accumulate": 1},
    "smoothed": {"label_smoothing": 0.2},
    "weighted": {"class_weights": "balanced", "label_smoothing": 0.1},
    "adversarial": {"adversarial": {"epsilon": 0.3}},
    "pieces of weighted batches": {"class_weights": "balanced", "label_smoothing": 0.1, "micro_batches": 3},
    "pieces, some of them empty": {"adversarial": {"epsilon": 0.3}, "micro_batches": 7},
    "checkpointed": {"gradient_checkpointing": True},
}


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
@pytest.mark.parametrize("option", OPTIONS)
def test_accumulation_and_bucketing_change_no_gradient(kind: str, option: str) -> None:
    """Each step of a run in small mixed batches has the gradient that a plain loop gives at the same weights, with all
    of the step's records in one padded batch."""
    tokens = texts(60)
    spec = FineTuningSpec.model_validate(
        {"accumulate": 3, "batch_tokens": 64, "max_epochs": 2, "precision": "32-true", "learning_rate": 0.01}
        | OPTIONS[option]
    )
    module, reference = run(classifier(kind), tokens, spec), classifier(kind)
    steps = list(rows_of_steps(tokens, spec))
    assert len(steps) == len(module.steps)
    for batches, (weights, gradient, _) in zip(steps, module.steps, strict=True):
        reference.load_state_dict(weights)
        rows = np.concatenate([bucket for batch in batches for bucket in batch])
        expected = plain_gradient(reference, tokens, rows, spec)
        assert gradient.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(gradient[name], value, rtol=1e-4, atol=4e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_the_steps_are_a_hard_case() -> None:
    """A guard for the test above: batches of a step differ in records, buckets in length, the last step is short, some
    have fewer records than there are pieces."""
    tokens, spec = texts(60), FineTuningSpec(accumulate=3, batch_tokens=64, max_epochs=2)
    steps = list(rows_of_steps(tokens, spec))
    assert any(len({sum(map(len, batch)) for batch in step}) > 1 for step in steps)
    assert any(len({tokens.lengths[bucket].max() for bucket in batch}) > 1 for step in steps for batch in step)
    assert any(len(step) < 3 for step in steps)
    assert any(sum(map(len, batch)) < 7 for step in steps for batch in step)


def test_factors_by_hand() -> None:
    """Steps of two batches: 1 + 3 records weigh 2 x 1/4 and 2 x 3/4; the last batch is alone and weighs 2."""
    batches = [[np.arange(1)], [np.arange(2), np.arange(1)], [np.arange(5)]]
    assert step_factors(batches, 2) == [0.5, 1.5, 2.0]
    assert step_factors(batches, 1) == [1.0, 1.0, 1.0]


def test_a_run_with_all_pulls_is_the_plain_loop() -> None:
    """Accumulation, layer decay, weight decay, L1, clipping and the cosine: after two epochs the weights are those of a
    loop in pure torch."""
    tokens = texts(60)
    spec = FineTuningSpec.model_validate(
        {"accumulate": 2, "batch_tokens": 64, "max_epochs": 2, "precision": "32-true", "learning_rate": 0.01}
        | {"schedule": "cosine", "warmup": 0.25, "weight_decay": 0.1, "layer_decay": 0.5, "l1": 0.05}
        | {"gradient_clip": 0.5}
    )
    module, model = run(classifier("modernbert"), tokens, spec), classifier("modernbert")
    rate = {"model.embeddings.": 0.125, "model.layers.0.": 0.25, "model.layers.1.": 0.5}
    groups = [
        {
            "params": [p],
            "lr": 0.01 * next((rate[part] for part in rate if name.startswith(part)), 1.0),
            "weight_decay": 0.1 if p.ndim == 2 else 0.0,
        }
        for name, p in model.named_parameters()
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    steps = list(rows_of_steps(tokens, spec))
    first = sum(1 for _ in rows_of_steps(tokens, spec.model_copy(update={"max_epochs": 1})))
    total, rise = 2 * first, round(0.25 * 2 * first)

    def height(step: int) -> float:
        return (
            step / rise if step < rise else max(0.0, 0.5 + 0.5 * np.cos(np.pi * min(1, (step - rise) / (total - rise))))
        )

    schedule = LambdaLR(optimizer, height)
    for batches in steps:
        plain_gradient(model, tokens, np.concatenate([bucket for batch in batches for bucket in batch]), spec)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        with torch.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.ndim == 2:
                        p.copy_(p.sign() * (p.abs() - group["lr"] * 0.05).clamp(min=0))
        schedule.step()
    assert len(steps) > 5
    for name, parameter in module.model.named_parameters():
        torch.testing.assert_close(parameter, dict(model.named_parameters())[name], rtol=0, atol=2e-5)


class FirstIsBest(TextModule):
    """Says that the first epoch had the best score."""

    def validation_step(self, batch: Any, _: int) -> None:
        self.epochs = [*getattr(self, "epochs", []), {name: p.clone() for name, p in self.state_dict().items()}]
        self.log("validation_macro_f1", 1.0 - self.current_epoch, batch_size=1)


def test_the_best_epoch_comes_back_with_its_adapters(tmp_path: Path) -> None:
    """After four epochs, of which the first was best, adapters and head are those of the first; merged they give its
    logits."""
    tokens, model = texts(40), classifier("bert")
    spec = FineTuningSpec.model_validate({"max_epochs": 4, "batch_tokens": 64, "lora": {}, "learning_rate": 0.01})
    ids = torch.arange(4, 36).reshape(4, 8)
    with prepared(model, spec):
        module = FirstIsBest(model, tokens, spec, class_head("ab", spec, None))
        plan = FitPlan("32-true", max_epochs=4, monitor="validation_macro_f1", patience=9)
        report = fit(module, module.validation_batches(texts(4), 1000), plan, Work.of(tmp_path / "work", spec))[1]
        assert (report["epochs"], report["best"]) == (4, 1.0)
        same = [{n for n, p in module.state_dict().items() if torch.equal(p, epoch[n])} for epoch in module.epochs]
        adapters = {name for name in module.epochs[0] if "lora_" in name}
        assert adapters <= same[0] == set(module.epochs[0])
        assert not adapters & same[3]
        unmerged = model.eval()(input_ids=ids).logits
    torch.testing.assert_close(model(input_ids=ids).logits, unmerged, rtol=0, atol=1e-6)


def test_frozen_layers_stay_in_a_run() -> None:
    """Embeddings and the lowest layer are bit by bit what they were; all else has moved."""
    model = classifier("modernbert")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    spec = FineTuningSpec.model_validate(
        {"batch_tokens": 64, "max_epochs": 1, "precision": "32-true", "freeze": {"embeddings": True, "layers": 1}}
    )
    run(model, texts(60), spec)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name, depth in depths(model).items() if depth > 1}
