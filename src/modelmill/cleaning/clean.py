"""Cleaning: steps that judge each record, then what only the whole shows; memory does not grow with the records.

Records go by in batches twice. The first time each is judged by itself, and what the whole needs to know of it (id,
label, a digest of the text, a signature) is noted on disk; the second time what repeats others is taken out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from modelmill.cleaning.contract import ContractStep
from modelmill.cleaning.rejects import REJECT, Books, Step, take_out
from modelmill.cleaning.steps import Privacy, Reserved, Rules
from modelmill.database import repeated_ids
from modelmill.files import scratch, scratch_folder
from modelmill.progress import counted
from modelmill.records import RECORD
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec, NearDuplicatesSpec
from modelmill.specs.source import ContractSpec
from modelmill.tables import AnyTable, TableFile, TableWriter, batches_of
from modelmill.text import normalise

Cleaned = tuple[TableFile, TableFile, dict[str, Any]]
"""Clean records, rejects (columns `REJECT`), and the report: records in and out of every step."""


def clean_product(raw: TableFile, contract: ContractSpec, cleaning: CleaningSpec, root: str) -> Cleaned:
    """Clean labelled records: contract, rules, benchmarks, personal data, contradictory labels, duplicates.

    Args:
        raw: records as they were read.
        contract: what a record must be.
        cleaning: the rules.
        root: the project's folder.

    Raises:
        DataError: when the contract is broken as a whole.
    """
    with scratch(root) as working:
        again = repeated_ids(raw, working, cleaning.memory_mb)["place"].to_numpy()
    steps: list[Step] = [
        ContractStep(contract, labelled=True, repeated=again),
        Rules(cleaning),
        *_last_steps(cleaning, root),
    ]
    return _clean([raw], steps, cleaning, root, contract)


def clean_corpus(
    raw: TableFile, product_texts: pl.DataFrame, held_out: pl.DataFrame, spec: CleaningSpec, root: str
) -> Cleaned:
    """Clean the text for pretraining; texts that a product holds out for validation or test are rejected.

    Args:
        raw: records of the corpus' own sources.
        product_texts: training records of products, clean already.
        held_out: validation and test records of all products that use the backbone.
        spec: the rules.
        root: the project's folder.
    """
    steps: list[Step] = [
        ContractStep(ContractSpec(max_reject=1), labelled=False),
        Rules(spec),
        Reserved("held_out", "held out by a product", held_out, spec.near_duplicates or NearDuplicatesSpec()),
        *_last_steps(spec, root),
    ]
    return _clean([product_texts, raw], steps, spec, root, None)


TEXT = pl.col("text")
INTERACTION = pl.concat_str("group", "time", "text", separator="\n")
"""What two records have in common that are one and the same; where either is missing, nothing."""


def _with_places(batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Ids are unique within one source; in a corpus of many they mean nothing, so each gets its place in front."""
    place = 0
    for batch in batches:
        places = pl.int_range(place, place + batch.height, eager=True)
        yield batch.with_columns(pl.format("{}:{}", places, "id").alias("id"))
        place += batch.height


def _last_steps(spec: CleaningSpec, root: str) -> list[Step]:
    """What comes after the rules, as far as it is declared."""
    steps: list[Step] = []
    if spec.benchmarks.root:
        texts = read_sources(spec.benchmarks, spec, root)[0].read().drop_nulls("text")
        normal = pl.Series("text", [normalise(text) for text in texts["text"]], dtype=pl.String)
        near = spec.near_duplicates or NearDuplicatesSpec()
        steps.append(Reserved("benchmarks", "text of a benchmark", texts.with_columns(normal, id="origin"), near))
    if spec.privacy:
        steps.append(Privacy(spec.privacy))
    return steps


def _clean(
    tables: Sequence[AnyTable], steps: Sequence[Step], spec: CleaningSpec, root: str, contract: ContractSpec | None
) -> Cleaned:
    """Without a contract it is a corpus, whose labels mean nothing."""
    from modelmill.cleaning.repeats import Repeats

    folder, books, labelled = scratch_folder(root), Books(), contract is not None
    same = INTERACTION if contract and contract.target == "next" else TEXT
    schema: dict[str, Any] = dict(RECORD)
    for table in tables:
        schema |= table.schema
    rejected = TableWriter(folder / "rejects.parquet", REJECT)
    kept = TableWriter(folder / "clean.parquet", schema)
    with rejected, kept, scratch(root) as working, Repeats(working, spec, labelled=labelled) as repeats:
        judged = TableWriter(working / "judged.parquet", schema)
        with judged:
            records = batches_of(*tables) if labelled else _with_places(batches_of(*tables))
            for batch in counted(records, "cleaning", sum(table.height for table in tables), "records"):
                remaining = batch
                for step in steps:
                    given, (remaining, rejects) = remaining.height, step(remaining)
                    books.enter(step.name, given, Counter(rejects["reason"].to_list()))
                    rejected.write(rejects)
                judged.write(remaining)
                repeats.add(remaining.with_columns(same.fill_null(pl.col("id")).alias("text")))
        facts = {step.name: step.close() for step in steps}
        given = repeats.height
        for name in repeats.find():
            counts = repeats.counts(name)
            books.enter(name, given, counts)
            given -= sum(counts.values())
        place = 0
        for batch in judged.table.batches():
            remaining, rejects = take_out(batch, repeats.taken(place, place + batch.height))
            kept.write(remaining)
            rejected.write(rejects)
            place += batch.height
    return kept.table, rejected.table, books.close(facts)
