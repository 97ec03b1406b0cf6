"""Recommendation: the next item of a user, by a masked language model over items (BERT4Rec, Sun et al. 2019,
arXiv:1904.06690): pretraining masks items anywhere, fine-tuning the last place alone.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.cleaning.split import moments
from modelmill.errors import DataError
from modelmill.specs.kinds import RecommendationSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tables import AnyTable, batches_of
from modelmill.tasks.class_answers import softmax
from modelmill.tasks.head import Head
from modelmill.tasks.item_baselines import CHUNK, Counted, choices, split_items
from modelmill.tasks.ranking import TOP, RankOutcome, best_items, rank_figure
from modelmill.tasks.task import Columns
from modelmill.tasks.text_task import BATCH_TOKENS, TextTask, Vocabulary
from modelmill.tokenization.tokens import Encoding, Tokens, check_length, encode, load_tokenizer
from modelmill.training.architectures import check_loaded
from modelmill.training.batches import length_buckets, padded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from modelmill.tasks.next_item_module import NextItemModule

AROUND = 3
"""Tokens beside the history: [CLS], [MASK], [SEP]."""

Floats = NDArray[np.float64]


class Recommendation(TextTask):
    """The ten items that most likely come next; the epoch with the best NDCG@10 on the validation split is kept."""

    spec: RecommendationSpec
    seen: ClassVar[str] = "Test records whose user has an interaction of that time or later in a record"

    def label_names(self, train: pl.DataFrame) -> list[str]:
        """All items of training, sorted."""
        return sorted(
            {item for text, label in train.select("text", "label").iter_rows() for item in (*text.split(), label)}
        )

    def targets(self, records: pl.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
        """Item of each record, (records,); -1 for one that training does not know."""
        number = {name: i for i, name in enumerate(names)}
        return np.array([number.get(label, -1) for label in records["label"]], np.int64)

    def encode(self, splits: Mapping[str, pl.DataFrame], backbone: Path, spec: TokenizationSpec) -> Encoding:
        """See `Task.encode`. A training record gives an example for each of its items but the first: what came before
        it, as far as it fits, and [MASK].
        """
        check_length(spec, backbone)
        tokenizer = load_tokenizer(backbone)
        known = tokenizer.get_vocab()
        names = [item for item in self.label_names(splits["train"]) if item in known]
        if not names or tokenizer.mask_token is None:
            raise DataError(
                "the backbone's tokenizer has no [MASK], or none of the items of training is one of its tokens. Take a "
                "backbone that is pretrained on this product's items: `tokenizer: {kind: word}`, `corpus: {products: "
                "...}`."
            )
        items, room = set(names), spec.max_tokens - AROUND

        def examples(split: str, records: pl.DataFrame) -> pl.DataFrame:
            rows = []
            for text, label in records.select("text", "label").iter_rows():
                sequence = [*text.split(), label]
                for place in range(1 if split == "train" else len(sequence) - 1, len(sequence)):
                    if split != "train" or sequence[place] in items:
                        rows.append((asked(sequence[:place], room, tokenizer.mask_token), sequence[place]))
            return pl.DataFrame(rows, schema={"text": pl.String, "label": pl.String}, orient="row")

        about = {"task": self.spec.model_dump(mode="json"), "labels": names}
        return Encoding(
            splits, backbone, spec.max_tokens, lambda records: self.targets(records, names), about, examples=examples
        )

    def head(self, train: Tokens, names: list[str], spec: FineTuningSpec) -> Head:
        """Cross-entropy over all items."""
        from modelmill.tasks.next_item_module import item_head

        return item_head(len(names), spec.label_smoothing)

    def new_model(self, backbone: Path, head: Head, dropout: float, random_start: bool) -> Any:
        """The backbone with the head that it was pretrained with: its outputs are the items already."""
        import torch
        from transformers import AutoConfig, AutoModelForMaskedLM
        from transformers.utils import logging

        logging.disable_progress_bar()
        if random_start:
            config = AutoConfig.from_pretrained(backbone)
            return AutoModelForMaskedLM.from_config(config, dtype=torch.float32).train()
        logging.set_verbosity_error()
        model, found = AutoModelForMaskedLM.from_pretrained(backbone, dtype="float32", output_loading_info=True)
        check_loaded(model.base_model_prefix, found["missing_keys"], backbone)
        return model.train()

    def module(
        self, model: Any, train: Tokens, spec: FineTuningSpec, head: Head, vocabulary: Vocabulary
    ) -> "NextItemModule":
        """Fills the last place."""
        from modelmill.tasks.next_item_module import NextItemModule

        tokenizer, names = vocabulary
        items = tokenizer.convert_tokens_to_ids(names)
        return NextItemModule(model, train, spec, head, (items, tokenizer.mask_token_id, self.spec.repeat))

    def used(self, model: Any, splits: Sequence[Tokens]) -> None:
        """All: the embeddings are the head's weights, too."""

    def predictor(self, model: Path) -> "Recommender":
        """See `Task.predictor`."""
        return Recommender(self, model)

    def answers(self, logits: Floats, product: Mapping[str, Any]) -> pl.DataFrame:
        """The ten best items; `label` is the best one, `score` its probability."""
        return self._table(softmax(logits), product["labels"])

    def _table(self, scores: Floats, names: Sequence[str]) -> pl.DataFrame:
        """Scores (records, items) as answers; what cannot be recommended has -inf, or no chance."""
        best = best_items(np.where(scores > 0, scores, -np.inf), names)
        return pl.DataFrame(
            {
                "label": pl.Series([row[0] if row else "" for row in best], dtype=pl.String),
                "score": scores.max(1) if len(scores) else pl.Series([], dtype=pl.Float64),
                "items": pl.Series([" ".join(row) for row in best], dtype=pl.String),
                "catalogue": pl.Series([float(len(names))] * len(best), dtype=pl.Float64),
            }
        )

    def answer_columns(self, product: Mapping[str, Any]) -> Columns:
        """The best item, its probability, the ten best with blanks between, and of how many."""
        return [("label", "string"), ("score", "double"), ("items", "string"), ("catalogue", "double")]

    def predictions(self, records: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
        """See `Task.predictions`; with the score."""
        return super().predictions(records, answers).with_columns(answers["score"])

    def baselines(self, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """The most popular items of training, and item-kNN with the settings that are best on the validation split."""
        names = self.label_names(train)
        counted = Counted([[*text.split(), label] for text, label in train.select("text", "label").iter_rows()], names)

        def answered(records: pl.DataFrame, scores: Any) -> pl.DataFrame:
            tables = []
            for part in records.iter_slices(CHUNK):
                histories = split_items(part["text"])
                found = scores(histories)
                tables.append(self._table(found if self.spec.repeat else counted.without(found, histories), names))
            return self.predictions(records, pl.concat(tables))

        def popular(histories: Sequence[Sequence[str]]) -> Floats:
            return np.tile(counted.popularity, (len(histories), 1))

        def by_neighbours(neighbours: int, last: int | None) -> Any:
            nearest = counted.nearest(neighbours)
            return lambda histories: counted.neighbour_scores(histories, nearest, last)

        candidates = [by_neighbours(*choice) for choice in choices()]
        best = max(candidates, key=lambda scores: RankOutcome.of(answered(validation, scores)).value("ndcg_10"))
        return {"popularity": answered(test, popular), "item_knn": answered(test, best)}

    def outcomes(self, *predictions: pl.DataFrame) -> list[RankOutcome]:
        """By user."""
        return [RankOutcome.of(table) for table in predictions]

    def plot(self, report: Mapping[str, Any], predictions: pl.DataFrame) -> "Figure":
        """Ranks of the true items."""
        return rank_figure(predictions)

    def card(self, report: Mapping[str, Any]) -> list[str]:
        """What is averaged, and over whom."""
        again = "may" if self.spec.repeat else "may not"
        return [
            f"### How it was judged\n\nEach figure is a mean over {report['users']} users of the mean over a user's "
            f"test records, and intervals are over users. Ranked are all {report['catalogue']} items of the training "
            f"time; those in a user's history {again} be recommended again. An item that came up later counts as not "
            "found."
        ]

    def given_away(self, test: pl.DataFrame, tables: Sequence[AnyTable]) -> int:
        """How many test records have an interaction of the same user, of their time or later, in what was read."""
        last = pl.concat([_latest(batch) for batch in batches_of(*tables)] or [_latest(test.clear())])
        both = test.select("group", moment=moments(test["time"])).join(
            last.group_by("group").agg(pl.col("moment").max().alias("read")), on="group"
        )
        return both.filter(pl.col("read") >= pl.col("moment")).height

    def why_impossible(self, answers: pl.DataFrame, product: Mapping[str, Any]) -> str | None:
        """No ten different items of training, or another label than the first of them."""
        known = set(product["labels"])
        for label, score, items in answers.select("label", "score", "items").iter_rows():
            listed = items.split()
            if not 0 < len(set(listed)) == len(listed) <= TOP or not known.issuperset(listed):
                return "items that are none of the training's, too many, or one twice"
            if label != listed[0] or not 0 <= score <= 1:
                return "a label that is not the best item, or a score that is no probability"
        return None


def asked(history: Sequence[str], room: int, mask: str) -> str:
    """The last items of a history, and the place behind them."""
    return " ".join([*history[-room:], mask])


def _latest(records: pl.DataFrame) -> pl.DataFrame:
    """Of each user the time of the last interaction; records of other products have neither."""
    if not {"group", "time"} <= {*records.columns}:
        return pl.DataFrame(schema={"group": pl.String, "moment": pl.Datetime("us")})
    return records.select("group", moment=moments(records["time"])).drop_nulls()


class Recommender:
    """A model folder that answers histories."""

    def __init__(self, task: Recommendation, folder: Path) -> None:
        from transformers import AutoModelForMaskedLM
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._task = task
        self.product: dict[str, Any] = json.loads((folder / "product.json").read_text(encoding="utf-8"))
        self.tokenizer = load_tokenizer(folder)
        self.model = AutoModelForMaskedLM.from_pretrained(folder).eval()
        self._ids: list[int] = self.tokenizer.convert_tokens_to_ids(self.product["labels"])

    def answers(self, records: pl.DataFrame) -> pl.DataFrame:
        """See `Predictor.answers`."""
        tables = [self._answered(part) for part in records.iter_slices(CHUNK)]
        return pl.concat(tables or [self._answered(records)])

    def _answered(self, records: pl.DataFrame) -> pl.DataFrame:
        histories = split_items(records["text"])
        logits = self.logits(histories)
        if not self._task.spec.repeat:
            number = {name: i for i, name in enumerate(self.product["labels"])}
            for row, items in enumerate(histories):
                logits[row, [number[item] for item in items if item in number]] = -np.inf
        return self._task.answers(logits, self.product)

    def logits(self, histories: Sequence[Sequence[str]]) -> Floats:
        """Of each item to come next, (histories, items)."""
        import torch

        longest = self.product["max_tokens"]
        texts = [asked(items, longest - AROUND, self.tokenizer.mask_token) for items in histories]
        encoded = encode(texts, self.tokenizer, longest)
        tokens = Tokens.of(encoded, [-1] * len(encoded))
        result = np.zeros((len(encoded), len(self._ids)))
        with torch.inference_mode():
            for rows in length_buckets(tokens.lengths, BATCH_TOKENS, None):
                ids, mask = (torch.from_numpy(array) for array in padded(tokens, rows, self.tokenizer.pad_token_id))
                logits = self.model(input_ids=ids, attention_mask=mask).logits
                at = ids == self.tokenizer.mask_token_id
                result[rows] = logits[at][:, self._ids].double().numpy()
        return result
