"""Text generation: a causal language model that goes on with a text, or answers an instruction."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill import markdown
from modelmill.augmentation.units import has_no_spaces
from modelmill.specs.kinds import TextGenerationSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks import generated
from modelmill.tasks.generated import GeneratedOutcome
from modelmill.tasks.head import Head
from modelmill.tasks.task import Columns, Task
from modelmill.tasks.text_task import BATCH_TOKENS, TextTask, Vocabulary
from modelmill.tasks.trigrams import Trigrams
from modelmill.text import normalise
from modelmill.tokenization.tokens import Encoding, Tokens, check_length, encode, load_tokenizer
from modelmill.training.batches import length_buckets, padded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from modelmill.tasks.generation_module import GenerationModule

BEHIND = "\n"
"""Stands between an instruction and its answer; no normalised text has one."""


class TextGeneration(TextTask):
    """Perplexity is that of a character, so that it does not depend on a tokenizer; the end of a text counts as one."""

    spec: TextGenerationSpec
    judged_by_answers: ClassVar[bool] = False

    def parts(self, records: pl.DataFrame) -> list[tuple[str, str]]:
        """What is given of each record, and what is to be written."""
        if self.spec.format == "instruction":
            return [(text + BEHIND, label) for text, label in records.select("text", "label").iter_rows()]
        cuts = ((text, max(1, round(len(text) * self.spec.prompt))) for text in records["text"])
        return [(text[:cut], text[cut:]) for text, cut in cuts]

    def encode(self, splits: Mapping[str, pl.DataFrame], backbone: Path, spec: TokenizationSpec) -> Encoding:
        """See `Task.encode`. A text is learned whole, of an instruction the answer alone."""
        check_length(spec, backbone)
        about = {"task": self.spec.model_dump(mode="json"), "labels": []}

        def tokens(records: pl.DataFrame, tokenizer: Any) -> Tokens:
            if self.spec.format == "continuation":
                return whole([("", text) for text in records["text"]], tokenizer, spec.max_tokens)
            return whole(self.parts(records), tokenizer, spec.max_tokens)

        return Encoding(splits, backbone, spec.max_tokens, about=about, tokens=tokens)

    def label_names(self, train: pl.DataFrame) -> list[str]:
        """None."""
        return []

    def targets(self, records: pl.DataFrame, names: Sequence[str]) -> NDArray[Any]:
        """Follow from the tokenizer: see `encode`."""
        raise AssertionError("`encode` makes them")

    def answers(self, logits: NDArray[np.float64], product: Mapping[str, Any]) -> pl.DataFrame:
        """A language model writes: see `Writer`."""
        raise AssertionError("`predictor` writes")

    def head(self, train: Tokens, names: list[str], spec: FineTuningSpec) -> Head:
        """The language model's own; a step descends the mean over its tokens."""
        import torch

        from modelmill.tasks.generation_module import LogLikelihood

        asked = float((train.lengths - np.maximum(train.labels, 1)).mean())

        def loss(likelihoods: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            return likelihoods[:, 0].mean() / asked  # not by the batch's own tokens: each token weighs the same

        return Head(0, "regression", loss, loss, LogLikelihood(), "log_likelihood")

    def new_model(self, backbone: Path, head: Head, dropout: float, random_start: bool) -> Any:
        """The causal model itself; it has no other head, and so no dropout of one."""
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM
        from transformers.utils import logging

        logging.set_verbosity_error()  # of configs it says what does not concern anybody
        if random_start:
            return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(backbone), dtype=torch.float32).train()
        return AutoModelForCausalLM.from_pretrained(backbone, dtype=torch.float32).train()

    def module(
        self, model: Any, train: Tokens, spec: FineTuningSpec, head: Head, vocabulary: Vocabulary
    ) -> "GenerationModule":
        """See `GenerationModule`."""
        from modelmill.tasks.generation_module import GenerationModule

        return GenerationModule(model, train, spec, head)

    def used(self, model: Any, splits: Sequence[Tokens]) -> None:
        """All: the language model's head asks for each token, whether it occurs or not."""

    def predictor(self, model: Path) -> "Writer":
        """See `Task.predictor`."""
        return Writer(self, model)

    def judged(self, model: Path, records: pl.DataFrame) -> pl.DataFrame:
        """The references' losses, and what is written for some."""
        writer, parts = self.predictor(model), self.parts(records)
        written = writer.write([given for given, _ in parts[: self.spec.written]])
        return self._table(records, parts, writer.losses(parts), written)

    def baselines(self, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Trigrams of characters."""
        learned, held_out, asked = (self.parts(records) for records in (train, validation, test))
        trigrams = Trigrams(map("".join, learned), [*map("".join, held_out)])
        losses = np.array([trigrams.loss(given + wanted, len(given)) for given, wanted in asked])
        length = 2 * max(len(wanted) for _, wanted in asked)
        some = zip(test["id"], asked[: self.spec.written], strict=False)
        written = [trigrams.write(given, length, identity) for identity, (given, _) in some]
        return {"trigrams": self._table(test, asked, losses, written)}

    def _table(
        self, records: pl.DataFrame, parts: list[tuple[str, str]], losses: NDArray[np.float64], written: list[str]
    ) -> pl.DataFrame:
        """Predictions, see `generated.SCHEMA`."""
        by_character = has_no_spaces(written)
        rows = []
        for i, (given, wanted) in enumerate(parts):
            text = written[i] if i < len(written) else None
            judged: list[Any] = [None] * (len(generated.CHRF) + 2)
            if text is not None:
                words = list(text) if by_character else text.split()
                judged = [
                    *generated.chrf_counts(text, wanted),
                    generated.distinct(words, 1),
                    generated.distinct(words, 2),
                ]
            digest = hashlib.sha256(wanted.encode()).hexdigest()[:16]
            shown = given.strip() if i < generated.SAMPLES else None
            rows.append((records["id"][i], digest, text, shown, losses[i], len(wanted) + 1, *judged))
        return pl.DataFrame(rows, schema=generated.SCHEMA, orient="row")

    def outcomes(self, *predictions: pl.DataFrame) -> list[GeneratedOutcome]:
        """One each."""
        return [GeneratedOutcome.of(table) for table in predictions]

    def plot(self, report: Mapping[str, Any], predictions: pl.DataFrame) -> "Figure":
        """How well the references are foretold."""
        import plotly.graph_objects as go

        figure = go.Figure(go.Histogram(x=(predictions["loss"] / predictions["characters"]).to_list(), nbinsx=60))
        figure.update_layout(title="Loss of a character (test split)", template="plotly_white")
        figure.update_xaxes(title_text="minus log-likelihood of a character, nats")
        figure.update_yaxes(title_text="records")
        return figure

    def card(self, report: Mapping[str, Any]) -> list[str]:
        """A few texts as they were written, not chosen: the first test records."""
        rows = [[one["prompt"], one["predicted"]] for one in report["samples"]]
        return [f"### What it writes\n\nFor the first test records.\n\n{markdown.table(['given', 'written'], rows)}"]

    def answer_columns(self, product: Mapping[str, Any]) -> Columns:
        """The text."""
        return [("label", "string")]


def windows(tokens: Tokens, size: int) -> tuple[Tokens, NDArray[np.int64]]:
    """Texts in windows of so many tokens, and which text each is of; what an earlier one has judged is given."""
    found = [
        (tokens[i][at : at + size], max(1, int(tokens.labels[i]) - at, size - size // 2 if at else 0), i)
        for i in range(len(tokens))
        for at in range(0, max(1, len(tokens[i]) - size + size // 2), size // 2)
    ]
    ids, given, part = zip(*found, strict=True)
    return Tokens.of(ids, np.array(given)), np.array(part)


def whole(parts: Sequence[tuple[str, str]], tokenizer: Any, max_tokens: int | None) -> Tokens:
    """Ids of what is given, of what is to be written and of the end, cut; targets are the lengths of what is given."""
    given = encode([one for one, _ in parts], tokenizer, None)
    wanted = tokenizer([text for _, text in parts], add_special_tokens=False, return_attention_mask=False)["input_ids"]
    texts = [[*one, *text, tokenizer.eos_token_id] for one, text in zip(given, wanted, strict=True)]
    return Tokens.of([text[:max_tokens] for text in texts], np.array([max(1, len(one)) for one in given]))


class Writer:
    """A model folder that writes. Evaluation and the registered version use this one."""

    def __init__(self, task: Task, folder: Path) -> None:
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        logging.disable_progress_bar()
        assert isinstance(task.spec, TextGenerationSpec)
        self._spec = task.spec
        self.product: dict[str, Any] = json.loads((folder / "product.json").read_text(encoding="utf-8"))
        self.tokenizer = load_tokenizer(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def answers(self, records: pl.DataFrame) -> pl.DataFrame:
        """See `Predictor.answers`: `text` is what is given."""
        behind = BEHIND if self._spec.format == "instruction" else ""
        return pl.DataFrame(
            {"label": pl.Series(self.write([normalise(t) + behind for t in records["text"]]), dtype=pl.String)}
        )

    def write(self, given: Sequence[str]) -> list[str]:
        """What the model writes behind each beginning; the same for the same one, whatever stands beside it."""
        import torch

        written = []
        with torch.inference_mode():
            for text in given:
                torch.manual_seed(self._spec.decoding.seed)
                ids = torch.tensor(encode([text], self.tokenizer, None))
                told = self.model.generate(ids, attention_mask=torch.ones_like(ids), **self._options())[
                    0, ids.shape[1] :
                ]
                written.append(normalise(self.tokenizer.decode(told, skip_special_tokens=True)))
        return written

    def losses(self, parts: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Minus the log-likelihood of what was to be written, (parts,). Texts longer than the model reads go by in
        windows of which each begins in the middle of the one before.
        """
        import torch

        from modelmill.tasks.generation_module import likelihoods

        tokens, part = windows(whole(parts, self.tokenizer, None), self.product["max_tokens"])
        result = np.zeros(len(tokens))
        with torch.inference_mode():
            for rows in length_buckets(tokens.lengths, BATCH_TOKENS, None):
                ids, mask = (torch.from_numpy(array) for array in padded(tokens, rows, self.tokenizer.pad_token_id))
                logits = self.model(input_ids=ids, attention_mask=mask).logits.float()
                found = likelihoods(logits, ids, mask, torch.from_numpy(tokens.labels[rows]))
                result[rows] = found[:, 0].double().numpy()
        return np.bincount(part, result, len(parts)).astype(np.float64)

    def _options(self) -> dict[str, Any]:
        decoding = self._spec.decoding
        drawn = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": decoding.top_k}
        return {
            "max_new_tokens": decoding.max_new_tokens,
            "repetition_penalty": decoding.repetition_penalty,
            "num_beams": decoding.beams,
            "pad_token_id": self.tokenizer.pad_token_id,
            "do_sample": decoding.temperature > 0,
            **(drawn if decoding.temperature > 0 else {}),
        }
