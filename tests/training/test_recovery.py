"""A training that runs out of memory goes on in smaller pieces."""

import logging
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from modelmill.errors import UserError
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.class_task import class_head
from modelmill.training.fit import FitPlan, fit
from modelmill.training.work import STATE, Work
from tests.training.models import classifier, texts
from tests.training.test_resume import Killed, digest, stopping

SAME = ("steps", "epochs", "tokens", "examples")


def train(
    folder: Path, room: Any, *, kill_at: int | None = None, **options: Any
) -> tuple[Any, dict[str, Any], list[Any]]:
    """Model, report and curves of a fine-tuning where there is room for `room(pieces so far)` records at once."""
    from modelmill.tasks.text_module import TextModule

    minutes, records = options.pop("checkpoint_minutes", 1e9), options.pop("records", 60)
    dropout = options.pop("dropout", 0.2)
    spec = FineTuningSpec.model_validate(
        {"max_epochs": 2, "batch_tokens": 100, "precision": "32-true", "learning_rate": 0.01, "dropout": dropout}
        | options
    )
    torch.manual_seed(0)
    model = classifier("bert", hidden_dropout_prob=dropout)

    class Small(stopping(TextModule, kill_at)):
        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            if self.sizes(batch)[1] > room(self.begun):
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().training_step(batch, number)

    plan = FitPlan(
        spec.precision, max_epochs=2, monitor="validation_macro_f1", patience=9, accumulate=spec.accumulate,
        checkpoint_seconds=60 * minutes, micro_batches=spec.micro_batches,
    )  # fmt: skip
    module = Small(model, texts(records), spec, class_head("ab", spec, None))
    curves, report = fit(module, module.validation_batches(texts(9, seed=5), 100), plan, Work.of(folder, spec))
    return model, report, curves.rows()


def warned(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """What warnings were given; there are others' lines beside them where a test before set the level."""
    return [record.args for record in caplog.records if record.levelno == logging.WARNING]


def endless(_: int) -> int:
    """A machine that has room for all."""
    return 10**6


def test_without_a_state_it_begins_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is room for 4 records: halved, and halved again, the training is bit for bit that of 4 declared pieces,
    dropout included, and counts nothing twice. One warning each time."""
    declared, report, curves = train(tmp_path / "declared", endless, micro_batches=4)
    with caplog.at_level(logging.WARNING, "modelmill"):
        found, said, rows = train(tmp_path / "auto", lambda pieces: 7 if pieces < 5 else 4)
    assert digest(found) == digest(declared)
    assert rows == curves
    assert {**said, "micro_batches": 4}.items() >= {
        name: report[name] for name in (*SAME, "micro_batches", "best")
    }.items()
    assert warned(caplog) == [(2, "the start"), (4, "the start")]


def test_with_a_state_it_goes_on_from_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Memory runs out after the first epoch, within a step of several batches: all steps are done, each with its
    batches, and, without dropout, weights are within rounding those of a machine with more memory."""
    options = {"accumulate": 3, "checkpoint_minutes": 0, "dropout": 0}
    model, report, curves = train(tmp_path / "large", endless, **options)
    with caplog.at_level(logging.WARNING, "modelmill"):
        found, said, rows = train(tmp_path / "small", lambda pieces: 4 if pieces > 14 else 99, **options)
    assert [args[1] for args in warned(caplog)] == ["the last state"] * 2
    assert said["micro_batches"] == 4
    assert all(said[name] == report[name] for name in SAME)
    assert [row[:2] for row in rows] == [row[:2] for row in curves]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=0, atol=1e-3, msg=lambda m, n=name: f"{n} {m}")


def test_killed_after_that_it_goes_on_alike(tmp_path: Path) -> None:
    """The state on disk has the smaller pieces from the moment they were chosen, before the next one is written."""

    def room(pieces: int) -> int:
        return 4 if pieces > 14 else 99

    expected = digest(train(tmp_path / "alone", room)[0])
    with pytest.raises(Killed):
        train(tmp_path / "killed", room, kill_at=17)
    state = torch.load(tmp_path / "killed" / STATE, weights_only=True)
    assert state["micro"] == 4
    found, report, _ = train(tmp_path / "killed", endless)
    assert report["micro_batches"] == 4
    assert digest(found) == expected


def test_declared_pieces_are_kept(tmp_path: Path) -> None:
    """Too few of them are a mistake to mend, with the error that says so as its cause."""
    with pytest.raises(UserError, match=r"in 2 pieces .*Raise it, or use `auto`") as caught:
        train(tmp_path / "work", lambda _: 2, micro_batches=2)
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_it_ends_with_single_rows(tmp_path: Path) -> None:
    """No further than to pieces of one row: then it says what to do."""
    with pytest.raises(UserError, match="even for one row of a batch at a time"):
        train(tmp_path / "work", lambda _: 0)


def test_validation_is_not_helped_by_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has batches of its own: an error at once, rather than a training in ever smaller pieces."""
    from modelmill.tasks.text_module import TextModule

    def too_large(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TextModule, "validation_step", too_large)
    with pytest.raises(UserError, match="does not suffice for validation"):
        train(tmp_path / "work", endless)


def test_other_errors_are_none_of_its_business(tmp_path: Path) -> None:
    """They pass through as they are."""

    def broken(_: int) -> int:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        train(tmp_path / "work", broken)


def saying(what: str) -> bool:
    """Whether an error of torch that says so is one of memory."""
    from modelmill.training.memory_module import ran_out

    return ran_out(RuntimeError(what))


def test_which_errors_are_of_memory() -> None:
    """torch's own words are clear. oneDNN's are not: they are believed where the system gives no more memory."""
    import resource

    assert saying("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")
    assert saying("std::bad_alloc")
    assert not saying("could not create a primitive")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (32 << 20), limits[1]))
    try:
        assert saying("could not create a primitive")
        assert not saying("could not create a primitive descriptor for a softmax primitive")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def progress(processed: int, completed: int) -> dict[str, int]:
    """Counts of a state."""
    return {"ready": processed, "completed": completed, "started": processed, "processed": processed}


def test_counts_by_hand() -> None:
    """A state after 3 batches of 2 pieces in the second epoch of 5, saved at the end of a step, when the last piece is
    not completed; in 4 pieces a batch. What counts steps stays, and the state that was given too."""
    from modelmill.training.recovery_module import recounted

    loop = {"total": progress(16, 15), "current": progress(6, 5), "is_last_batch": False}
    state: dict[str, Any] = {
        "micro": 2,
        "global_step": 8,
        "loops": {
            "fit_loop": {"epoch_loop.batch_progress": loop, "epoch_loop.state_dict": {"_batches_that_stepped": 8}}
        },
    }
    before = deepcopy(state)
    found = recounted(state, 4)
    assert state == before
    assert found["loops"]["fit_loop"].pop("epoch_loop.batch_progress") == {
        "total": progress(32, 31),
        "current": progress(12, 11),
        "is_last_batch": False,
    }
    assert found == {
        "micro": 4,
        "global_step": 8,
        "loops": {"fit_loop": {"epoch_loop.state_dict": {"_batches_that_stepped": 8}}},
    }
    again = recounted(recounted(state, 6), 2)
    assert again == before


def cramped(folder: Path) -> None:
    """Fine-tune in this process, which from now on may grow by 160 MiB; only the allocator knows."""
    import resource

    from modelmill.training import speed_module

    speed_module.SIZE = 64
    train(folder / "warm", endless)
    most = psutil.Process().memory_info().vms + (160 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    _, report, _ = train(folder / "cramped", endless, records=6000, batch_tokens=60_000)
    print(report["micro_batches"], report["steps"], report["examples"])


@pytest.mark.slow
def test_memory_that_really_runs_out(tmp_path: Path) -> None:
    """In a process that the system gives no more memory, torch's own error is recognised and got over."""
    code = f"from pathlib import Path; from {__name__} import cramped; cramped(Path({str(tmp_path)!r}))"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # each thread's arena takes addresses that it does not use
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "memory ran out" in done.stderr
    micro, steps, examples = map(int, done.stdout.split()[-3:])
    assert micro > 1
    assert (steps, examples) == (4, 12_000)
