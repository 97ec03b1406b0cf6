"""Interactions (who, what, when) as records: what somebody had so far, and what came next."""

import polars as pl

from modelmill.cleaning.rejects import sort_out
from modelmill.errors import DataError

NO_GROUP, NO_HISTORY = "group is missing", "nothing came before it"


def histories(placed: pl.DataFrame, next_items: int) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Gather the interactions of each group, a user say, in the order of time; of one moment, in that of the files.

    The training record of a group has all items of its training time but the last one as `text`, single blanks between,
    and the last one as `label`. Of its time of validation, and of that of test, the last `next_items` are each foretold
    from all that came before, training and validation included. So nothing in a record is later than its label, and
    nothing in a training record is of the time of validation or test.

    Args:
        placed: columns id, text (what an item is called in histories), label (when it is foretold), origin, group,
            time, moment, and split.
        next_items: see `SplitSpec`.

    Returns:
        by split the records: id is `group:items before`; origin and time are those of the label's interaction. And the
        rejects: interactions without a group, and first ones, for which nothing can be foretold from.

    Raises:
        DataError: for an item with a blank in its name.
    """
    if (blank := placed.filter(pl.col("text").str.contains(r"\s") | pl.col("label").str.contains(r"\s"))).height:
        raise DataError(
            f"{blank['origin'][0]}: the item '{blank['text'][0]}' has a blank in its name; name by `source.columns` a "
            "column with ids of items."
        )
    known, nameless = sort_out(placed, "split", dict.fromkeys(placed["group"].is_null().arg_true(), NO_GROUP))
    ordered = known.sort("moment", maintain_order=True).with_columns(
        before=pl.int_range(pl.len()).over("group"),
        behind=pl.int_range(pl.len()).reverse().over("group", "split"),
    )
    items = dict(ordered.group_by("group", maintain_order=True).agg("text").iter_rows())
    wanted = pl.when(split="train").then(1).otherwise(next_items)
    asked = ordered.filter(pl.col("behind") < wanted)
    kept, first = sort_out(asked, "split", dict.fromkeys((asked["before"] == 0).arg_true(), NO_HISTORY))
    texts = [" ".join(items[group][:before]) for group, before in kept.select("group", "before").iter_rows()]
    records = kept.with_columns(pl.Series("text", texts, dtype=pl.String), id=pl.format("{}:{}", "group", "before"))
    parts = {
        name: records.filter(split=name).drop("split", "moment", "before", "behind")
        for name in ("train", "validation", "test")
    }
    return parts, pl.concat([nameless, first])
