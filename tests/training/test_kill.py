"""Real kills of a real process: `kill -9` at random moments, one of them within the writing of a state."""

import multiprocessing
import random
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from modelmill import files
from modelmill.specs.training import FineTuningSpec
from tests.training.tiny import corpus_of, encoded_in, specified, tokenizer_of

KILLS = 12
CORPUS = corpus_of([f"the book number {i} was very good 这本书很好看" for i in range(300)])


def tune(work: Path, data: Path, precision: str, result: Path) -> None:
    """Fine-tune, and write the digest of the tensors."""
    from tests.training.test_resume import train

    spec = FineTuningSpec.model_validate(
        {"max_epochs": 4, "batch_tokens": 60, "precision": precision, "learning_rate": 0.01, "patience": 9}
    )
    result.write_text(train(work, spec)[0])


def pretrain(work: Path, data: Path, precision: str, result: Path) -> None:
    """Pretrain, and write the digest of the tensors."""
    from modelmill.training.pretrain import pretrain
    from tests.training.test_resume import digest

    training = {"max_steps": 60, "precision": precision, "checkpoint_minutes": 0}
    spec = specified(kind="modernbert", architecture={"dropout": 0.1}, training=training)
    _, _, backbone = pretrain(data / "tokens", data / "tokenizer", spec, work)
    result.write_text(digest(backbone.model))


def slow_writes(reached: Path) -> None:
    """From now on the fifth state stands half an hour before it gets its name."""
    states: list[Path] = []

    def slow(part: Path, final: Path) -> None:
        states.extend([final] if final.suffix == ".ckpt" else [])
        if len(states) == 5:
            reached.touch()
            time.sleep(1800)
        part.replace(final)

    files.os.replace = slow


def work(what: Any, arguments: tuple[Any, ...], reached: Path | None) -> None:
    """What a process does."""
    if reached:
        slow_writes(reached)
    what(*arguments)


def kill_until_done(context: ForkServerContext, what: Any, arguments: tuple[Any, ...], folder: Path) -> list[float]:
    """Start, kill, start again; the first kill falls into a write. Answers after how many seconds each kill came."""
    rng, kills, result = random.Random(0), [], arguments[-1]
    reached = folder / "reached"
    while not result.exists():
        first = not kills
        process = context.Process(target=work, args=(what, arguments, reached if first else None))
        started = time.monotonic()
        process.start()
        if first:
            while not reached.exists():
                time.sleep(0.01)
                assert process.is_alive()
        elif len(kills) < KILLS:
            process.join(rng.uniform(0.5, 3.0))
        else:
            process.join()
        if process.is_alive():
            process.kill()
            kills.append(time.monotonic() - started)
        process.join()
    return kills


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("what", [tune, pretrain])
def test_a_killed_training_ends_with_the_same_tensors(tmp_path: Path, what: Any, precision: str) -> None:
    """Twelve kills in all; where one training ends before that, the next one begins."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytorch_lightning", "transformers", "tests.training.test_resume"])
    (tmp_path / "tokenizer").mkdir()
    tokenizer_of(CORPUS, specified(kind="modernbert")).save(tmp_path / "tokenizer")
    encoded_in(tmp_path / "tokenizer", CORPUS, tmp_path / "tokens")
    digests, kills = [], []
    while len(kills) < KILLS or len(digests) < 2:
        folder = tmp_path / str(len(digests))
        folder.mkdir()
        arguments = (folder / "work", tmp_path, precision, folder / "result")
        if digests:
            kills += kill_until_done(context, what, arguments, folder)
        else:  # the first one is left alone
            process = context.Process(target=work, args=(what, arguments, None))
            process.start()
            process.join()
        digests.append((folder / "result").read_text())
    print(f"{what.__name__} {precision}: {len(kills)} kills after {[round(s, 1) for s in kills]} s; {set(digests)}")
    assert len(set(digests)) == 1
