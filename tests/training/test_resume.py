"""A training that is killed and started again ends with the tensors of one that was left alone."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from modelmill.errors import UserError
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.class_task import class_head
from modelmill.training.fit import FitPlan, fit
from modelmill.training.module import TrainedModule
from modelmill.training.work import BEST, IDENTITY, START, STATE, Work
from tests.training.models import classifier, texts

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulated": {"accumulate": 3},
    "in pieces": {"micro_batches": 2, "accumulate": 2, "batch_tokens": 200},
    "adapters": {"lora": {"dropout": 0.2}},
    "stopped early": {"learning_rate": 1e-9, "patience": 1, "max_epochs": 4},
}

SAME = ("steps", "epochs", "precision", "micro_batches", "best", "tokens", "examples")
"""What a report must say alike; the time differs."""


class Killed(BaseException):
    """Stands for a kill: nothing is tidied up."""


def stopping(kind: type[TrainedModule], stop_at: int | None) -> type[Any]:
    """A module of that kind that is killed after so many batches; `begun` counts them."""

    class Stopping(kind):
        begun = 0

        def on_train_batch_start(self, *_: Any) -> None:
            if self.begun == stop_at:
                raise Killed
            self.begun += 1

    return Stopping


@pytest.fixture(autouse=True)
def small_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine can do is not looked at here, and takes longer than such a training."""
    from modelmill.training import speed_module

    monkeypatch.setattr(speed_module, "SIZE", 64)


def train(folder: Path, spec: FineTuningSpec, stop_at: int | None = None) -> tuple[str, Any, list[Any]]:
    """Digest of the tensors, report and curves of a fine-tuning with dropout, killed after `stop_at` batches."""
    from modelmill.tasks.text_module import TextModule
    from modelmill.training.prepare import prepared

    torch.manual_seed(0)
    model, tokens = classifier("bert", hidden_dropout_prob=0.2), texts(60)
    with prepared(model, spec):
        module = stopping(TextModule, stop_at)(model, tokens, spec, class_head("ab", spec, None))
        plan = FitPlan(
            spec.precision, max_epochs=spec.max_epochs, monitor="validation_macro_f1", patience=spec.patience,
            accumulate=spec.accumulate, checkpoint_seconds=0, micro_batches=spec.micro_batches,
        )  # fmt: skip
        curves, report = fit(module, module.validation_batches(texts(9, seed=5), 100), plan, Work.of(folder, spec))
    return digest(model), {name: report[name] for name in SAME}, curves.rows()


def digest(model: torch.nn.Module) -> str:
    """SHA-256 over all tensors."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("name", OPTIONS)
def test_it_goes_on_from_any_batch(tmp_path: Path, name: str) -> None:
    """Stopped after many a batch, also the last one of an epoch and with gradients half accumulated, or between its end
    and the saving of its result, when nothing is left to train: tensors, scores and curves are those of a training that
    was left alone."""
    spec = FineTuningSpec.model_validate(
        {"max_epochs": 2, "batch_tokens": 100, "precision": "32-true", "learning_rate": 0.01, **OPTIONS[name]}
    )
    expected = train(tmp_path / "alone", spec)
    assert expected[1]["epochs"] == 2, "both before the end of what is declared and at it"
    assert train(tmp_path / "alone", spec, stop_at=0) == expected, "it had ended"
    stop = 0
    while True:
        try:
            found = train(tmp_path / f"stopped at {stop}", spec, stop)
            break  # it has fewer batches
        except Killed:
            assert train(tmp_path / f"stopped at {stop}", spec) == expected, stop
        stop += 2 if stop else 1
    assert found == expected
    assert stop >= 9


def test_a_state_of_another_training_is_put_away(tmp_path: Path) -> None:
    """Another seed is another training: it begins anew."""
    specs = [FineTuningSpec(max_epochs=1, batch_tokens=100, precision="32-true", seed=seed) for seed in (0, 1)]
    with pytest.raises(Killed):
        train(tmp_path / "work", specs[0], 5)
    assert (tmp_path / "work" / STATE).is_file()
    assert train(tmp_path / "work", specs[1]) == train(tmp_path / "fresh", specs[1])


def test_what_was_half_written_is_removed(tmp_path: Path) -> None:
    """By whatever process, on whatever host, a state was begun: states are large."""
    spec, folder = FineTuningSpec(max_epochs=1, batch_tokens=200, precision="32-true"), tmp_path / "work"
    with pytest.raises(Killed):
        train(folder, spec, 2)
    half = folder / f".{STATE}.elsewhere.1.part"
    half.write_bytes(b"half a state")
    Work.of(folder, spec).begin()
    assert not half.exists()
    train(folder, spec)
    assert {path.name for path in folder.iterdir()} == {IDENTITY, START, STATE, BEST}


def test_one_that_has_diverged_is_refused_again(tmp_path: Path) -> None:
    """The second time nothing is left to train, and no validation tells."""
    spec = FineTuningSpec(max_epochs=1, batch_tokens=100, precision="32-true", learning_rate=1e30)
    for _ in range(2):
        with pytest.raises(UserError, match="has diverged"):
            train(tmp_path / "work", spec)
