"""A training in several processes: what comes back, what is left, and the figures of one process."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from safetensors.numpy import load_file

from modelmill.digest import tensor_digest
from modelmill.errors import DataError, UserError
from modelmill.specs.backbone import PretrainingSpec
from modelmill.specs.task import TaskSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.class_task import class_head
from modelmill.tasks.run import encode, fine_tune
from modelmill.tasks.text_module import TextModule
from modelmill.training.checkpoints_module import Checkpoints
from modelmill.training.failures import SHUTDOWN, first_failure, tell, tell_ends
from modelmill.training.fit import FitPlan
from modelmill.training.join import join
from modelmill.training.module import Batches
from modelmill.training.pretrain import pretrain
from modelmill.training.processes import JOB, RENDEZVOUS, Job, Made
from modelmill.training.ranks import AGENT
from modelmill.training.work import STATE
from tests.conftest import ROOT, make_project
from tests.training import jobs
from tests.training.models import classifier, texts
from tests.training.tiny import corpus_of, encoded_in, specified, tokenizer_of


@pytest.fixture(autouse=True)
def ranks_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their functions are imported by name, in processes that begin where pytest did."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))


def test_what_contradicts_itself_is_refused() -> None:
    """Nothing to shard over; more processes than blocks of a batch."""
    with pytest.raises(ValidationError, match="raise `devices`, or leave it out"):
        FineTuningSpec(strategy="fsdp")
    with pytest.raises(ValidationError, match="`batch_blocks: 3` cannot be shared by 4 processes"):
        specified(kind="modernbert", training={"batch_blocks": 3, "devices": 2, "nodes": 2})


@pytest.mark.parametrize(("count", "ranks"), [(5, 2), (4, 2), (1, 3), (7, 1)])
def test_batches_are_shared_out(count: int, ranks: int) -> None:
    """Each batch counts on one rank, and all ranks get as many."""
    shares = [list(Batches(str, count).shard(rank, ranks)) for rank in range(ranks)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(batch for share in shares for batch, counts in share if counts) == sorted(map(str, range(count)))
    assert all(batch == "0" for share in shares for batch, counts in share if not counts)


def test_a_batch_that_does_not_count_changes_no_figure() -> None:
    """Neither the mean loss nor macro-F1."""
    module = TextModule(classifier("bert"), texts(20), FineTuningSpec(), class_head("ab", FineTuningSpec(), None))
    module.log = lambda *_, **__: None
    counted, other = (next(iter(module.validation_batches(texts(9, seed), 1000))) for seed in (1, 2))
    figures = []
    for step in ((counted, True), (other, False), (other, True)):
        module.validation_step(step, 0)
        figures.append((float(module.score.compute()), float(module.means["loss"].compute())))
    assert figures[0] == figures[1]
    assert all(before != after for before, after in zip(figures[1], figures[2], strict=True))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_sharded_model_is_computed_as_often_on_all_ranks(strategy: str) -> None:
    """All parts of a batch have its buckets, for as many calls of the model; what has no label counts nowhere. Where
    each rank has the whole model, it is not called for nothing."""
    spec = FineTuningSpec.model_validate({"batch_tokens": 60, "devices": 3, "strategy": strategy})
    module = TextModule(
        classifier("bert").eval(), texts(60), spec, class_head("ab", spec, np.array([0.5, 2], np.float32))
    )
    make, count = module.epoch_batches(0)
    called, blank = [], 0
    for batch in map(make, range(count)):
        parts = [module.part(batch, part, 3) for part in range(3)]
        called.append({len(buckets) for buckets, _ in parts} | {len(batch[0])})
        blank += sum(not len(labels) for buckets, _ in parts for _, _, labels in buckets)
        assert sum(np.array(module.sizes(part)) for part in parts).tolist() == list(module.sizes(batch))
        mean = sum(module.losses(part)[0] for part in parts) / 3
        torch.testing.assert_close(mean, module.losses(batch)[0], rtol=1e-5, atol=1e-6)
    assert (max(map(len, called)) == 1) == (strategy == "fsdp")
    assert (blank > 5) == (strategy == "fsdp")


def test_a_declaration_comes_back_from_a_job(tmp_path: Path) -> None:
    """The training of a rank is that of the declaration, whose digest says to which training a state belongs."""
    for spec in (
        specified(kind="gpt2", objective="causal_lm", tokenizer={"kind": "byte_bpe"}),
        specified(**{"from": "a"}),
    ):
        job = Job(
            function="a:b",
            data=tmp_path,
            start=tmp_path,
            spec=spec.model_dump(mode="json", by_alias=True),
            checkpoints=tmp_path,
            devices=2,
            nodes=1,
            rendezvous=None,
        )
        (tmp_path / JOB).write_text(job.model_dump_json())
        assert PretrainingSpec.model_validate(Job.of(tmp_path).spec) == spec


def ended(exitcode: int, timestamp: int = 0) -> Any:
    """What torchrun says of a rank."""
    return SimpleNamespace(exitcode=exitcode, timestamp=timestamp)


def test_the_first_cause_is_told(tmp_path: Path) -> None:
    """A killed rank before what that did to the others, an error for the user before both, else the earliest one."""
    assert first_failure(tmp_path, 1) is None
    tell(tmp_path, 2, ValueError("first"))
    tell(tmp_path, 0, RuntimeError("connection closed"))
    tell_ends(tmp_path, 0, {0: ended(1), 2: ended(1), 1: ended(-15)})  # torchrun ended rank 1
    assert re.match(
        r"rank 2 failed: ValueError: first\nThe traceback is in .*rank-2.log", str(first_failure(tmp_path, 1))
    )
    tell_ends(tmp_path, 1, {3: ended(-15)})
    assert "rank 3 was killed by signal 15. Run the same command again" in str(first_failure(tmp_path, 1))
    tell(tmp_path, 1, DataError("too few"))
    found = first_failure(tmp_path, 1)
    assert (type(found), str(found)) == (DataError, "too few")


def test_a_rank_that_does_not_stop_is_no_cause(tmp_path: Path) -> None:
    """One that torchrun has killed because it did not stop when asked to is told of beside the cause; one that was
    killed as the first failed, or by itself, is a cause."""
    tell(tmp_path, 0, ValueError("first"))
    tell_ends(tmp_path, 0, {0: ended(1, 7), 1: ended(-9, 7 + SHUTDOWN)})
    lines = str(first_failure(tmp_path, 1)).splitlines()
    assert lines[0] == "rank 0 failed: ValueError: first"
    assert lines[2:] == ["Rank 1 did not stop when asked to, and was killed after 5 s."]
    for ends in ({0: ended(1, 7), 1: ended(-9, 8)}, {1: ended(-9, 7), 0: ended(-15, 12)}):
        tell_ends(tmp_path, 0, ends)
        assert str(first_failure(tmp_path, 1)).startswith("rank 1 was killed by signal 9 (the system")


def test_machines_must_know_where_to_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place, with half of one, or with what is none, nothing is started; the name of the setting is told."""
    wrong = (
        "",
        "somewhere",
        "host:port",
        "host:0",
        "host:65536",
        ":29500",
        "tcp://host:29500",
        "a host:1",
        "::1:29500",
    )
    for place in wrong:
        monkeypatch.setenv(RENDEZVOUS, place)
        with pytest.raises(UserError, match=f"set {RENDEZVOUS}=HOST:PORT"):
            jobs.run(jobs.linger, tmp_path, nodes=2)
    assert not list(tmp_path.glob("[!.]*"))


def test_who_joins_too_much_is_told(tmp_path: Path) -> None:
    """No job, or one that has all its machines."""
    with pytest.raises(UserError, match="start `kedro run` first"):
        join(tmp_path)
    job = {"function": "a:b", "data": "/", "start": "/", "spec": {}, "checkpoints": "/", "devices": 1, "nodes": 2}
    (tmp_path / JOB).write_text(Job.model_validate({**job, "rendezvous": "localhost:1"}).model_dump_json())
    (tmp_path / "node-1").touch()
    with pytest.raises(UserError, match="has all its 2 machines"):
        join(tmp_path)


def test_rank_0_alone_writes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its curves, report and model come back; its words pass, of the others a warning with their rank. Nothing is left
    once the model is saved."""
    curves, report, note = jobs.run(jobs.say_both, tmp_path, seed=7)
    assert curves.rows() == [("train_loss", 1, 0.1)]
    assert report == {"rank": 0, "seed": 7, "none": None}
    (tmp_path / "model").mkdir()
    note.save(tmp_path / "model")
    note.saved()
    assert (tmp_path / "model/note").read_text() == "rank 0"
    assert {path.name for path in tmp_path.glob("[!.]*")} == {"model", "rank-0", "rank-1"}
    told = capfd.readouterr()
    assert told.out == "printed by 0\n"
    assert sorted(line.split(" ", 1)[1] for line in told.err.splitlines()) == ["1: WARNING speaks", "WARNING speaks"]


def test_an_error_is_the_same_one_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Class and text are those of the rank; torchrun's wall of text stays out of sight, and no process is left."""
    with pytest.raises(DataError) as caught:
        jobs.run(jobs.refuse, tmp_path)
    assert caught.value.message == "the data are `wanting`.\nGive more."
    assert capfd.readouterr() == ("", "")
    assert not jobs.living(tmp_path)


@pytest.mark.slow
def test_a_mistake_of_ours_leaves_its_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The message names rank, error and the log, which has the line."""
    with pytest.raises(UserError, match="rank 1 failed: ZeroDivisionError: division by zero") as caught:
        jobs.run(jobs.stumble, tmp_path)
    log = Path(caught.value.message.split("traceback is in ")[1].removesuffix("."))
    assert "print(1 / 0)" in log.read_text()
    assert capfd.readouterr() == ("", "")
    assert not jobs.living(tmp_path)


@pytest.mark.slow
def test_a_rank_that_ignores_the_end(tmp_path: Path) -> None:
    """What the other one could not do is told first; no process is left."""
    with pytest.raises(UserError, match=r"rank 1 failed: .*\n.*\nRank 0 did not stop when asked to"):
        jobs.run(jobs.ignore, tmp_path)
    assert not jobs.living(tmp_path)


@pytest.mark.slow
def test_a_killed_rank_ends_all(tmp_path: Path) -> None:
    """Which rank, which signal, what to do; though rank 0 fails because of it, too."""
    with pytest.raises(UserError, match=r"rank 1 was killed by signal 9 .* Run the same command again"):
        jobs.run(jobs.perish, tmp_path)
    assert not jobs.living(tmp_path)


def wait_until(what: Any, seconds: float = 120) -> None:
    """Until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_parent_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    """`kill -9` of the process of the node, or Ctrl-C: torchrun and all ranks die with it."""
    code = "import sys, pathlib; from tests.training import jobs; jobs.run(jobs.linger, pathlib.Path(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE) as parent:
        wait_until(lambda: len(jobs.arrived(tmp_path)) == 2)
        assert len(jobs.living(tmp_path)) == 3
        parent.send_signal(how)
    wait_until(lambda: not jobs.living(tmp_path), 5)


CORPUS = corpus_of(
    [f"the book number {i} was {'very ' * (i % 17)}{'good' if i % 3 else 'bad'} 这本书很好看" for i in range(300)]
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokens of a corpus and their tokenizer; a backbone without dropout, and texts with labels for it."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("tokenizer", "backbone", "labelled"):
        (folder / name).mkdir()
    spec = specified(kind="bert")
    tokenizer_of(CORPUS, spec).save(folder / "tokenizer")
    encoded_in(folder / "tokenizer", CORPUS, folder / "tokens")
    pretrain(folder / "tokens", folder / "tokenizer", spec, folder / "work")[2].save(folder / "backbone")
    labelled = CORPUS.with_columns(
        label=pl.when(pl.col("text").str.contains("bad")).then(pl.lit("b")).otherwise(pl.lit("a"))
    )
    encode(
        TaskSpec.model_validate("text_classification"),
        labelled[:280],
        labelled[280:],
        folder / "backbone",
        TokenizationSpec(max_tokens=32),
    ).save(folder / "labelled")
    return folder


def masked_lm(data: Path, work: Path, **training: Any) -> Made:
    """Pretrain a model, its gradients clipped."""
    plan = {"max_steps": 30, "learning_rate": 2e-3, "gradient_clip": 0.5, **training}
    return pretrain(data / "tokens", data / "tokenizer", specified(kind="modernbert", training=plan), work)


def classification(data: Path, work: Path, **training: Any) -> Made:
    """Fine-tune a backbone for three epochs, of which one is the best."""
    plan = {"batch_tokens": 512, "learning_rate": 1e-3, "dropout": 0.0, "precision": "32-true", **training}
    return fine_tune(data / "labelled", data / "backbone", FineTuningSpec.model_validate(plan), work)


def tensors_of(made: Made, folder: Path) -> Any:
    """The saved model; nothing else is left of the training."""
    folder.mkdir(parents=True)
    made[2].save(folder)
    made[2].saved()
    return load_file(folder / "model.safetensors")


def left_in(folder: Path) -> set[str]:
    """What is in its folders, locks left out."""
    return {str(path.relative_to(folder)) for path in folder.glob("*/[!.]*")}


def check_same(found: Made, expected: Made, folder: Path) -> None:
    """Curves, counts and weights of two trainings are the same but for rounding."""
    assert found[0].drop("value").equals(expected[0].drop("value"))
    assert found[0]["value"].to_list() == pytest.approx(expected[0]["value"].to_list(), abs=2e-5)
    for name in ("steps", "epochs", "tokens", "examples"):
        assert found[1][name] == expected[1][name], name
    weights, others = tensors_of(found, folder / "found"), tensors_of(expected, folder / "expected")
    assert set(weights) == set(others)
    for name, tensor in weights.items():
        np.testing.assert_allclose(tensor, others[name], rtol=0, atol=5e-5, err_msg=name)


ADAPTED = {"lora": {}, "accumulate": 2, "gradient_checkpointing": True, "schedule": "one_cycle", "warmup": 0.3}
RAGGED = {"batch_tokens": 100, "max_epochs": 1, "class_weights": "balanced"}
FROZEN = {"freeze": {"embeddings": True}, "layer_decay": 0.9, "l1": 0.01, "adversarial": {}, "label_smoothing": 0.1}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize(
    ("train", "processes", "options"),
    [(masked_lm, 3, {}), (classification, 3, RAGGED), (classification, 2, ADAPTED), (classification, 2, FROZEN)],
    ids=["pretraining", "fine-tuning", "adapted", "frozen"],
)
def test_processes_train_as_one(
    data: Path, tmp_path: Path, train: Any, processes: int, options: Any, strategy: str
) -> None:
    """Processes with parts of each batch have the curves, the best epoch and the weights of one, also where neither the
    four blocks of a batch nor the four batches to validate on are a multiple of three."""
    found = train(data, tmp_path / "found/work", devices=processes, strategy=strategy, **options)
    assert (found[1]["processes"], found[1]["strategy"]) == (processes, strategy)
    assert len(found[0]) > 5
    check_same(found, train(data, tmp_path / "expected/work", **options), tmp_path / "models")
    assert left_in(tmp_path) == {"models/found", "models/expected"}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_killed_processes_go_on(data: Path, tmp_path: Path, strategy: str) -> None:
    """With dropout, which each of them draws for itself: killed three times, at any moment after the first state, they
    end with the bits of two that were left alone."""
    code = (
        "import sys; from pathlib import Path; from tests.training.test_processes import dropped_out as train\n"
        "train(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])"
    )
    work = tmp_path / "killed/work"
    for seconds in (0.0, 0.3, 0.7):
        with subprocess.Popen([sys.executable, "-c", code, str(data), str(work), strategy]) as parent:
            before = changed(work / STATE)
            wait_until(lambda before=before: changed(work / STATE) > before)
            time.sleep(seconds)
            assert parent.poll() is None
            parent.kill()
    expected = tensors_of(dropped_out(data, tmp_path / "alone/work", strategy), tmp_path / "expected")
    found = tensors_of(dropped_out(data, work, strategy), tmp_path / "found")
    assert {name: tensor.tobytes() for name, tensor in found.items()} == {
        name: tensor.tobytes() for name, tensor in expected.items()
    }


def dropped_out(data: Path, work: Path, strategy: str) -> Made:
    """Pretrain in two processes with dropout, the state being saved after every step."""
    steps = {"ddp": 400, "fsdp": 120}  # about as long
    plan = {"max_steps": steps[strategy], "checkpoint_minutes": 0, "devices": 2, "strategy": strategy}
    spec = specified(kind="bert", architecture={"dropout": 0.2}, training=plan)
    return pretrain(data / "tokens", data / "tokenizer", spec, work)


def changed(path: Path) -> int:
    """When a file was, in ns; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def test_ranks_drop_different_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 draws what one process would draw, rank 1 something else that follows from the seed."""
    drawn = []
    for rank in (0, 1, 1):
        for name, value in ((AGENT, 1), ("RANK", rank), ("WORLD_SIZE", 2)):
            monkeypatch.setenv(name, str(value))
        torch.manual_seed(3)
        start: Any = SimpleNamespace(global_step=0)
        Checkpoints(tmp_path, FitPlan("32-true")).on_train_batch_start(start, None, None, 0)
        drawn.append(float(torch.rand(())))
    assert drawn[0] == float(torch.manual_seed(3) and torch.rand(()))
    assert drawn[0] != drawn[1] == drawn[2]


def test_a_rank_ends_when_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the start of training on, Lightning's handler, which would wait for the other ranks, is gone."""
    for name, value in ((AGENT, 1), ("RANK", 0), ("WORLD_SIZE", 2)):
        monkeypatch.setenv(name, str(value))
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        trainer: Any = SimpleNamespace()
        Checkpoints(tmp_path, FitPlan("32-true")).on_train_start(trainer, trainer)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def meeting_place() -> str:
    """A free port of this machine."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


@contextmanager
def other_machine(work: Path) -> Iterator[subprocess.Popen[str]]:
    """Joins the training as soon as there is one."""
    job = work.with_name(f"{work.name}_processes") / JOB
    code = (
        "import sys, time, runpy, pathlib\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.05)\n"
        "runpy.run_module('modelmill.training.join', run_name='__main__')"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(job)], stderr=subprocess.PIPE, text=True) as joined:
        yield joined


@pytest.mark.slow
def test_two_machines_train_as_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two torchruns that meet on this machine have the curves and weights of one process; the command that the other
    one was started with is in the log."""
    monkeypatch.setenv(RENDEZVOUS, meeting_place())
    with other_machine(tmp_path / "found/work") as joined:
        found = masked_lm(data, tmp_path / "found/work", nodes=2)
    assert joined.returncode == 0
    assert found[1]["processes"] == 2
    command = f"python -m modelmill.training.join {tmp_path / 'found/work_processes' / JOB}"
    assert f"start on each of the 1 other machines: {command}" in caplog.text
    check_same(found, masked_lm(data, tmp_path / "expected/work"), tmp_path / "models")


@pytest.mark.slow
def test_a_rank_killed_on_the_other_machine_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both machines say which one it was."""
    monkeypatch.setenv(RENDEZVOUS, meeting_place())
    with other_machine(tmp_path / "work") as joined:
        with pytest.raises(UserError, match="rank 1 was killed by signal 9"):
            jobs.run(jobs.perish, tmp_path, devices=1, nodes=2)
        _, told = joined.communicate()
    assert joined.returncode == 1
    assert told.splitlines()[-1].startswith("Error: rank 1 was killed by signal 9")
    assert not jobs.living(tmp_path)


@pytest.mark.slow
def test_kedro_run_in_two_processes(tmp_path: Path) -> None:
    """From a product's declaration to a registered version: both trainings were done by two processes, the card and
    MLflow have their figures, and nothing but models is left."""
    project = make_project(tmp_path / "project")
    shared = {"devices": 2}
    project.declare("backbones", {"tiny": {"pretraining": {"training": shared}}}, env="local")
    product = {"training": {**shared, "strategy": "fsdp"}, "evaluation": {"random_start": False}}
    project.declare("products", {"mood": product}, env="local")
    project.kedro("run", "--pipelines", "mood")
    reports = [project.json(f"data/08_reporting/{name}/training.json") for name in ("tiny", "mood")]
    assert [(report["processes"], report["strategy"]) for report in reports] == [(2, "ddp"), (2, "fsdp")]
    version = project.json("data/08_reporting/mood/version.json")
    assert version["digest"] == tensor_digest(project.root / "data/06_models/mood/model")
    assert left_in(project.root / "data/06_models") == {"tiny/backbone", "mood/model"}
