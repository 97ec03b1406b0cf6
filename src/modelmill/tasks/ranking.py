"""Answers that are the ten best items: metrics of the true item's rank, in the mean over users."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.specs.kinds import RecommendationSpec
from modelmill.specs.task import Better
from modelmill.tasks.outcome import Floats, Ints, Outcome, Resampling

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from scipy.sparse import csr_array

TOP = 10
"""Items of an answer."""

GAINS: dict[str, Callable[[Floats], Floats]] = {
    "ndcg_10": lambda ranks: 1 / np.log2(ranks + 1),
    "recall_10": np.ones_like,
    "mrr_10": lambda ranks: 1 / ranks,
}
"""What a true item counts by its rank, from 1.0 on; below the tenth nothing. With one true item the ideal DCG is 1
(Järvelin and Kekäläinen 2002, https://doi.org/10.1145/582415.582418)."""


@dataclass(frozen=True)
class RankOutcome(Outcome):
    """An item is a user, for the records of one are no independent draws: `gains` are means over the user's records.

    `listed` says which items were recommended to whom, (users, items); `catalogue` is how many could have been.
    """

    better: ClassVar[Mapping[str, Better]] = RecommendationSpec.metrics

    users: list[str]
    gains: dict[str, Floats]
    listed: "csr_array"
    catalogue: float
    labels: list[str]
    answers: list[str]

    @classmethod
    def of(cls, predictions: pl.DataFrame) -> "RankOutcome":
        """Read a table of predictions; the user stands in the id, before its last colon."""
        from sklearn.feature_extraction.text import CountVectorizer

        ranks = pl.Series("rank", true_ranks(predictions), dtype=pl.Float64)
        by_user = (
            predictions.with_columns(ranks, user=pl.col("id").str.replace(r":\d+$", ""))
            .with_columns(_gain(name).alias(name) for name in GAINS)
            .group_by("user", maintain_order=True)
            .agg(*(pl.col(name).mean() for name in GAINS), pl.col("label", "items").str.join(" "))
        )
        words = CountVectorizer(token_pattern=r"\S+", lowercase=False, binary=True)
        return cls(
            by_user["user"].to_list(),
            {name: by_user[name].to_numpy() for name in GAINS},
            words.fit_transform(by_user["items"].to_list()).tocsr(),
            float(predictions["catalogue"][0]),
            by_user["label"].to_list(),
            by_user["items"].to_list(),
        )

    @property
    def items(self) -> int:
        """How many users there are."""
        return len(self.users)

    @property
    def truth(self) -> NDArray[Any]:
        """The true items of each user."""
        return np.array(self.labels)

    @property
    def said(self) -> NDArray[Any]:
        """All that was recommended to each user."""
        return np.array(self.answers)

    def values(self, rows: Ints, metrics: Sequence[str]) -> dict[str, Floats]:
        """Metrics (resamples,) of user numbers (resamples, users)."""
        return {
            name: np.array([self._coverage(sample) for sample in rows])
            if name == "coverage_10"
            else self.gains[name][rows].mean(1)
            for name in metrics
        }

    def _coverage(self, sample: Ints) -> float:
        """Share of the catalogue that is recommended to somebody. Of a resample, in which fewer users are, it is less:
        its interval lies low.
        """
        recommended = self.listed[np.unique(sample)].sum(axis=0) > 0
        return float(recommended.sum() / self.catalogue)

    def details(self, resampling: Resampling) -> dict[str, Any]:
        """What the intervals are over."""
        return {"users": self.items, "catalogue": int(self.catalogue)}


def _gain(name: str) -> pl.Expr:
    return pl.col("rank").map_batches(
        lambda ranks: pl.Series(np.where(ranks.is_null(), 0, GAINS[name](ranks.fill_null(1.0).to_numpy())))
    )


def true_ranks(predictions: pl.DataFrame) -> list[int | None]:
    """Rank of the true item among those recommended, from 1; None where it is not among them."""
    pairs = predictions.select("label", "items").iter_rows()
    return [items.index(label) + 1 if label in items else None for label, items in ((a, b.split()) for a, b in pairs)]


def best_items(scores: Floats, names: Sequence[str]) -> list[list[str]]:
    """The ten best of scores (records, items), the first of equals first; what has -inf is never among them."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    return [[names[item] for item in row if scores[record, item] > -np.inf] for record, row in enumerate(order)]


def rank_figure(predictions: pl.DataFrame) -> "Figure":
    """How often the true item stands at which rank."""
    import plotly.graph_objects as go

    ranks = [rank for rank in true_ranks(predictions) if rank]
    places = list(range(1, TOP + 1))
    figure = go.Figure(go.Bar(x=places, y=[ranks.count(place) / max(1, predictions.height) for place in places]))
    figure.update_layout(title="Where the true item stands (test split)", template="plotly_white")
    figure.update_xaxes(title_text="rank", dtick=1)
    figure.update_yaxes(title_text="share of records")
    return figure
