"""A batch that is computed in pieces has the gradient of the whole one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from modelmill.specs.training import FineTuningSpec, PretrainingTrainingSpec
from modelmill.tasks.class_task import class_head
from modelmill.tokenization.tokens import Tokens
from modelmill.training.causal import CausalLm
from modelmill.training.fit import FitPlan, fit
from modelmill.training.masked_lm import MaskedLm, Masking
from modelmill.training.module import TrainedModule
from modelmill.training.next_sentence import NextSentence
from modelmill.training.objective import Objective, Stream
from modelmill.training.ranks import World
from modelmill.training.work import Work
from tests.training.models import SIZE, STILL, classifier, texts
from tests.training.test_resume import Killed, stopping

CLS, SEP, MASK, BLOCK, ROWS = 2, 3, 4, 12, 5
SPLITS = [(micro, ranks) for micro in (1, 2, 3, 4) for ranks in (1, 2)]
Gradient = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Bare:
    """An objective whose first two rows have nothing to predict, and the fourth one token."""

    objective: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objective, name)

    def batch(self, rows: Any, seed: tuple[int, ...]) -> Any:
        batch = self.objective.batch(rows, seed)
        if not isinstance(self.objective, CausalLm):
            batch["labels"][:2] = -100
            batch["labels"][3] = np.where(np.arange(BLOCK) == 5, 7, -100)
        return batch


def objective_of(name: str) -> Objective:
    """On texts of 4 to 20 tokens."""
    rng = np.random.default_rng(0)
    found = [[CLS, *rng.integers(5, 40, length), SEP] for length in rng.integers(4, 21, 40)]
    tokens, masking = Tokens.of(found, [-1] * len(found)), Masking(0.3, np.arange(5, 40), MASK)
    if name == "causal_lm":
        return Bare(CausalLm(tokens, None, BLOCK, separate=True))
    if name == "masked_lm_nsp":
        return Bare(NextSentence(tokens, None, masking, 0, BLOCK))
    return Bare(MaskedLm(tokens, None, masking, BLOCK, separate=True))


def language_model(kind: str, dropout: float = 0.0) -> Any:
    """A tiny one in double precision."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForPreTraining

    heads = {"gpt2": AutoModelForCausalLM, "llama": AutoModelForCausalLM, "bert for pairs": AutoModelForPreTraining}
    torch.manual_seed(0)
    still = {**STILL, "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "hidden_dropout_prob": dropout}
    options = {"sparse_prediction": True} if kind == "modernbert" else {}
    config = AutoConfig.for_model(kind.split(maxsplit=1)[0], **SIZE, **still, **options)
    return heads.get(kind, AutoModelForMaskedLM).from_config(config).train().double()


def pretraining(name: Any, kind: str) -> TrainedModule:
    """A module of an objective."""
    from modelmill.training.language_model_module import module_of

    spec = PretrainingTrainingSpec(max_steps=2, batch_blocks=ROWS)
    return module_of(name)(language_model(kind), spec, Stream(objective_of(name), ROWS, 0))


def in_pieces(module: TrainedModule, micro: int, ranks: int, batches: int) -> tuple[Gradient, tuple[int, int]]:
    """The mean over ranks of what each gathers from the pieces of the first batches, and what they count together."""
    module.zero_grad()
    tokens = examples = 0
    for rank in range(ranks):
        module.micro_batches, module.world = micro, World(rank, ranks)
        make, count = module.pieces(0)
        assert count == module.epoch_batches(0)[1] * micro
        for number in range(batches * micro):
            piece = make(number)
            (module.losses(piece)[0] / (batches * micro * ranks)).backward()
            tokens, examples = tokens + module.sizes(piece)[0], examples + module.sizes(piece)[1]
    return gradient_of(module.model), (tokens, examples)


def gradient_of(model: torch.nn.Module) -> Gradient:
    """Of all weights."""
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def token_losses(model: Any, batch: dict[str, torch.Tensor], causal: bool) -> Iterator[torch.Tensor]:
    """Of each token that is to be predicted, row by row; with pairs, the answer of a row comes last."""
    for row in range(len(batch["labels"])):
        one = {name: tensor[row : row + 1] for name, tensor in batch.items()}
        labels, answer = one.pop("labels")[0], one.pop("next_sentence_label", None)
        model.config.sparse_prediction = False
        output = model(**one)
        logits = (output.logits if answer is None else output.prediction_logits)[0]
        if causal:
            logits, labels = logits[:-1], labels[1:]
        for at in torch.nonzero(labels != -100).flatten():
            yield -torch.log_softmax(logits[at], -1)[labels[at]]
        if answer is not None:
            yield cross_entropy(output.seq_relationship_logits, answer)


OBJECTIVES = [
    ("masked_lm", "bert"),
    ("masked_lm", "modernbert"),
    ("masked_lm_nsp", "bert for pairs"),
    ("causal_lm", "gpt2"),
    ("causal_lm", "llama"),
]


@pytest.mark.parametrize(("name", "kind"), OBJECTIVES)
def test_a_batch_of_blocks_in_pieces(name: str, kind: str) -> None:
    """In 1 to 8 pieces of 5 rows on one or two processes, some empty, some with nothing to predict: the gradient is
    that of the mean over all predicted tokens (and over all pairs), token by token. The loss is taken in fp32."""
    module, model = pretraining(name, kind), language_model(kind)
    batch = module.epoch_batches(0)[0](0)
    losses = list(token_losses(model, batch, name == "causal_lm"))
    if name == "masked_lm_nsp":
        pairs = np.cumsum((batch["labels"] != -100).sum(1).numpy() + 1) - 1
        tokens = [loss for i, loss in enumerate(losses) if i not in pairs]
        (torch.stack(tokens).mean() + torch.stack([losses[i] for i in pairs]).mean()).backward()
    else:
        torch.stack(losses).mean().backward()
    expected = gradient_of(model)
    assert len(losses) > ROWS
    for micro, ranks in SPLITS:
        found, counts = in_pieces(module, micro, ranks, 1)
        assert found.keys() == expected.keys()
        for weight, value in expected.items():
            torch.testing.assert_close(found[weight], value, rtol=1e-5, atol=1e-7, msg=f"{micro} x {ranks}: {weight}")
        assert counts == module.sizes(batch)


def test_a_piece_without_rows_reaches_every_weight() -> None:
    """With a gradient of zero, which DDP waits for."""
    for module in (*(pretraining(*pair) for pair in OBJECTIVES), Tuned.module({"adversarial": {}})):
        module.zero_grad()
        batch = module.epoch_batches(0)[0](0)
        piece = module.part(batch, 300, 301)
        module.losses(piece)[0].backward()
        assert module.sizes(piece) == (0, 0)
        assert all(p.grad is not None and not p.grad.any() for p in module.model.parameters())


class Tuned:
    """A tiny classifier, in double precision, and its loss record by record."""

    TEXTS = texts(40)
    WEIGHTS = np.array([0.5, 2.0], np.float32)

    @classmethod
    def module(cls, options: dict[str, Any]) -> TrainedModule:
        from modelmill.tasks.text_module import TextModule

        spec = FineTuningSpec.model_validate({"batch_tokens": 64, **options})
        return TextModule(classifier("bert").double(), cls.TEXTS, spec, class_head("ab", spec, cls.WEIGHTS))

    @classmethod
    def gradient(cls, module: TrainedModule, batches: int, smoothing: float) -> Gradient:
        """Of the mean over the records of some batches."""
        model, losses = classifier("bert").double(), []
        for number in range(batches):
            for ids, mask, labels in module.epoch_batches(0)[0](number)[0]:
                for row in range(len(labels)):
                    seen = mask[row].bool()
                    logits = model(input_ids=ids[row][seen][None], attention_mask=mask[row][seen][None]).logits
                    loss = cross_entropy(logits, labels[row][None], label_smoothing=smoothing)
                    losses.append(loss * float(cls.WEIGHTS[labels[row]]))
        torch.stack(losses).mean().backward()
        return gradient_of(model)


def test_batches_of_records_in_pieces() -> None:
    """A step of three batches of unlike size, with class weights and smoothed labels: the gradient is that of the mean
    over its records, one by one. (tests/tasks/test_classifier.py has it through Lightning, and with an adversary.)"""
    module = Tuned.module({"accumulate": 3, "label_smoothing": 0.1})
    make, _ = module.epoch_batches(0)
    sizes = [module.sizes(make(i)) for i in range(3)]
    assert len({examples for _, examples in sizes}) > 1
    expected = Tuned.gradient(module, 3, 0.1)
    for micro, ranks in SPLITS:
        found, counts = in_pieces(module, micro, ranks, 3)
        for weight, value in expected.items():
            torch.testing.assert_close(found[weight], value, rtol=1e-5, atol=1e-7, msg=f"{micro} x {ranks}: {weight}")
        assert counts == tuple(map(sum, zip(*sizes, strict=True)))


def pretrained(
    folder: Path, micro: int, *, dropout: float = 0.0, stop_at: int | None = None
) -> tuple[Any, list[Any], dict[str, Any]]:
    """Weights, curves and report of 20 steps with three validations, by Lightning; killed after so many pieces."""
    from modelmill.training.language_model_module import MaskedLanguageModel, tensors
    from modelmill.training.module import Batches

    spec = PretrainingTrainingSpec(max_steps=20, batch_blocks=ROWS, precision="32-true", learning_rate=1e-3)
    objective = objective_of("masked_lm")
    kind, model = stopping(MaskedLanguageModel, stop_at), language_model("bert", dropout).float()
    module = kind(model, spec, Stream(objective, ROWS, 0))
    held_out = tensors(objective.batch(objective.rows((9, 9))[:8], (9,)))
    plan = FitPlan("32-true", max_steps=20, validate_every=6, micro_batches=micro, checkpoint_seconds=0)
    curves, report = fit(module, Batches(lambda _: held_out, 1), plan, Work.of(folder, spec, [micro]))
    return module.model.state_dict(), curves.rows(), report


def test_a_run_in_pieces_is_the_run_without(tmp_path: Path) -> None:
    """The same steps, validations and counts, and, within rounding, curves (also of the training loss, which is that of
    all pieces) and weights."""
    weights, curves, report = pretrained(tmp_path / "whole", 1)
    others, found, said = pretrained(tmp_path / "pieces", 3)
    assert [row[:2] for row in found] == [row[:2] for row in curves]
    assert [name for name, step, _ in curves if step in (10, 18)] == ["train_loss", "validation_loss"]
    np.testing.assert_allclose([row[2] for row in found], [row[2] for row in curves], rtol=1e-4)
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, rtol=0, atol=2e-3)
    assert all(said[name] == report[name] for name in ("steps", "tokens", "examples"))
    assert (report["micro_batches"], said["micro_batches"]) == (1, 3)


def test_a_killed_run_in_pieces_goes_on_alike(tmp_path: Path) -> None:
    """Within a step, between two, before a validation and after it: weights and curves are bit for bit those of a run
    that was left alone, with dropout."""
    weights, curves, _ = pretrained(tmp_path / "alone", 3, dropout=0.2)
    for stop in (7, 9, 17, 18):
        folder = tmp_path / str(stop)
        with pytest.raises(Killed):
            pretrained(folder, 3, dropout=0.2, stop_at=stop)
        found, rows, _ = pretrained(folder, 3, dropout=0.2)
        assert rows == curves, stop
        assert all(torch.equal(found[name], value) for name, value in weights.items()), stop
