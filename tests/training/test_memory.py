"""How many pieces a batch is computed in."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from modelmill.errors import UserError
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.class_task import class_head
from modelmill.tokenization.tokens import Tokens
from modelmill.training.free_memory import free_memory
from tests.training.models import classifier, texts
from tests.training.test_micro_batches import OBJECTIVES, pretraining

MIB = 1 << 20


def tuned(**options: Any) -> Any:
    """A classifier with dropout, whose largest batch has 40 rows."""
    from modelmill.tasks.text_module import TextModule

    spec = FineTuningSpec.model_validate({"batch_tokens": 800, **options})
    return TextModule(classifier("bert", hidden_dropout_prob=0.2), texts(60), spec, class_head("ab", spec, None))


def test_the_largest_batch_is_as_large_as_any() -> None:
    """All of its rows are as long as the longest text; no batch of any epoch has more tokens, padding included."""
    module = tuned(batch_tokens=100)
    ((ids, mask, _),), _ = module.largest_batch()
    assert mask.all()
    assert ids.shape == (5, 20) == (5, module.train_tokens.lengths.max())
    for epoch in range(5):
        make, count = module.epoch_batches(epoch)
        assert all(sum(ids.numel() for ids, *_ in make(i)[0]) <= ids.numel() for i in range(count))


@pytest.mark.parametrize("options", [{}, {"adversarial": {}}, {"freeze": {"embeddings": True, "layers": 1}}])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_few_rows_tell_what_all_take(options: dict[str, Any], precision: Any) -> None:
    """What a step on a whole batch holds at its fullest, moments and gradients with it, is foretold within a tenth."""
    from modelmill.training.memory_module import bytes_needed, peak_bytes
    from modelmill.training.prepare import prepared

    module = tuned(**options)
    with prepared(module.model, module.spec):
        batch = module.largest_batch()
        trained = sum(p.nbytes for p in module.parameters() if p.requires_grad)
        held = peak_bytes(module, batch, precision) + 3 * trained
        assert bytes_needed(module, batch, precision)(40) == pytest.approx(held, rel=0.1)


def test_what_is_held_by_hand() -> None:
    """Of three operations on 1,000 numbers two results are kept for the backward pass; what is freed counts no more."""
    from modelmill.training.memory_module import Held

    numbers = torch.ones(1000, requires_grad=True)
    with Held([numbers]) as held:
        loss = (numbers.exp().exp() * 2).sum()
        assert held.now == 4000 * 2 + 4
        assert held.most == 4000 * 3 + 4
        del loss
        assert held.now == 0


def test_less_memory_means_more_pieces() -> None:
    """The fewest pieces that keep to the share; where a single row does not, the message says what there is."""
    from modelmill.training.memory_module import SHARE, bytes_needed, pieces_by_sample

    module = tuned()
    batch = module.largest_batch()
    need = bytes_needed(module, batch, "32-true")
    for micro, rows in ((1, 40), (2, 20), (8, 5), (64, 1)):
        free = int(need(rows) / SHARE) + 1
        assert pieces_by_sample(module, batch, "32-true", free) == micro
        assert pieces_by_sample(module, batch, "32-true", 2**50) == 1
    with pytest.raises(
        UserError, match=r"one row at a time needs about 0 MiB beside the weights, 0 MiB are free.*lora"
    ):
        pieces_by_sample(module, batch, "32-true", int(need(1) / SHARE) - 1)


def test_looking_leaves_no_trace() -> None:
    """No gradient, no hook, no count; the random numbers and the mode are what they were."""
    from modelmill.training.memory_module import fewest_pieces

    for module in (tuned(adversarial={}), *(pretraining(*pair) for pair in OBJECTIVES)):
        random = torch.get_rng_state()
        assert fewest_pieces(module, "32-true") == 1
        assert torch.equal(torch.get_rng_state(), random)
        assert all(
            p.grad is None and p.requires_grad and not p._post_accumulate_grad_hooks for p in module.parameters()
        )
        assert not module.model.get_input_embeddings()._forward_hooks
        assert module.read == (0, 0)
        assert all(part.training for part in module.model.modules())


def test_a_gpu_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, halves, quarters, until one fits, a second time beside the gradients of the first. Simulated: there is
    room for 12 rows."""
    from modelmill.training.memory_module import pieces_by_trying

    module, tried = tuned(), []

    def losses(batch: Any) -> Any:
        tried.append(module.sizes(batch)[1])
        if tried[-1] > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return type(module).losses(module, batch)

    monkeypatch.setattr(module, "losses", losses)
    limit = 12
    assert pieces_by_trying(module, module.largest_batch(), "32-true") == 4
    assert tried == [40, 20, 10, 10]
    assert all(p.grad is None for p in module.parameters())
    limit = 0
    with pytest.raises(UserError, match="one row of a batch"):
        pieces_by_trying(module, module.largest_batch(), "32-true")


def write(folder: Path, **files: str) -> None:
    """Files of a control group."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize("version", [1, 2])
def test_a_control_group_bounds_the_memory(tmp_path: Path, version: int) -> None:
    """The tightest one counts, be it of an outer group; what the kernel would give back is free."""
    (tmp_path / "proc/self").mkdir(parents=True)
    if version == 2:
        (tmp_path / "proc/self/cgroup").write_text("0::/jobs/one\n")
        names = ("memory__max", "memory__current", "inactive_file")
        top, endless = tmp_path / "sys/fs/cgroup", "max\n"
    else:
        (tmp_path / "proc/self/cgroup").write_text("9:cpu:/elsewhere\n4:memory:/jobs/one\n0::/\n")
        names = ("memory__limit_in_bytes", "memory__usage_in_bytes", "total_inactive_file")
        top, endless = tmp_path / "sys/fs/cgroup/memory", "9223372036854771712\n"

    def group(name: str, limit: str, use: int, cache: int) -> None:
        write(top / name, **{names[0]: limit, names[1]: f"{use}\n", "memory__stat": f"anon 5\n{names[2]} {cache}\n"})

    assert free_memory(tmp_path) == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    group("jobs/one", endless, 50 * MIB, 0)
    assert free_memory(tmp_path) == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    group("jobs/one", f"{100 * MIB}\n", 50 * MIB, 30 * MIB)
    assert free_memory(tmp_path) == 80 * MIB
    group("jobs", f"{60 * MIB}\n", 55 * MIB, 5 * MIB)
    assert free_memory(tmp_path) == 10 * MIB


def real_step(options: dict[str, Any]) -> tuple[int, int]:
    """Bytes that a step is foretold to take beside the weights, and what this process, a new one, grows by in two, its
    memory being kept as in training."""
    import resource

    from transformers import BertConfig, BertForSequenceClassification

    from modelmill.tasks.text_module import TextModule
    from modelmill.training.memory_module import _pass, bytes_needed
    from modelmill.training.processor_module import fast_on_processors

    dropout = options.pop("dropout", 0.0)
    spec = FineTuningSpec.model_validate({"batch_tokens": 12_000, "precision": "32-true"} | options)
    config = BertConfig(
        vocab_size=1000, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024,
        hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    model = BertForSequenceClassification(config).train()
    if spec.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    module = TextModule(model, Tokens.of([np.arange(5, 205)] * 60, [0, 1] * 30), spec, class_head("ab", spec, None))
    batch = module.largest_batch()
    with fast_on_processors(model):
        foretold = bytes_needed(module, batch, spec.precision)(module.sizes(batch)[1])
        optimizer, before = module.configure_optimizers()["optimizer"], psutil.Process().memory_info().rss
        for _ in range(2):
            _pass(module, batch, spec.precision)
            optimizer.step()
            optimizer.zero_grad()
    return foretold, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, {"dropout": 0.1}, {"precision": "bf16-mixed"}, {"gradient_checkpointing": True}, {"adversarial": {}}],
    ids=str,
)
def test_a_step_takes_no_more_than_is_free(options: dict[str, Any]) -> None:
    """What a training on as much memory as is needed for a step takes in a new process, with all that allocator and
    kernels add, is no more than that memory."""
    from modelmill.training.memory_module import SHARE

    code = f"from {__name__} import real_step; print(*real_step({options!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    foretold, real = map(int, done.stdout.split()[-2:])
    print(f"{options}: foretold {foretold >> 20} MiB, real {real >> 20} MiB, {real / foretold:.2f} times")
    assert real < foretold / SHARE
