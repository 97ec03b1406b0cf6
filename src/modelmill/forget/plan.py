"""What to do so that a record is gone, in order; derived from what was found, and from nothing else."""

import re
from collections.abc import Collection, Mapping
from shlex import quote

from modelmill.forget.result import Holder, Step, TableRows
from modelmill.forget.tables import COPY, PLACE


def to_do(
    identity: str, holders: list[Holder], backbone_of: Mapping[str, str], made: Collection[str], env: str | None
) -> list[Step]:
    """The steps.

    Args:
        identity: the id that was asked for.
        holders: what was found.
        backbone_of: by declared product.
        made: datasets that the declared pipelines write; others stay as they are when these run.
        env: environment of the configuration.
    """
    versions = [version for holder in holders for version in holder.versions]
    option = f" --env {quote(env)}" if env else ""
    own = re.sub(COPY, "", re.sub(PLACE, "", identity))
    asked = {other for holder in holders for other in holder.alike} | {own} - {identity}
    rebuilt = sorted(_rebuilt(holders, backbone_of))
    apart = {tuple(sorted({row.origin or "" for row in table.rows})) for table in _raw(holders)}
    several = "; ids are unique within one product only, so look whose each line is" if len(apart) > 1 else ""
    steps = [
        Step(
            f"Remove it at the source, from the last line up, or the next run brings it back{several}:", _lines(holders)
        ),
        Step(
            "Ask for these too, if they are the same person's: nearly the same text, one that holds the other, or the "
            "record of this copy:",
            [f"kedro product forget {quote(other)}{option}" for other in sorted(asked)],
        ),
        Step("Make again what holds it:", [f"kedro run --pipelines {','.join(rebuilt)}{option}"] * bool(rebuilt)),
        Step("Delete by hand, for no declared pipeline makes it again:", _left(holders, made)),
        Step("Retire these versions:", [v.line for v in versions if v.verdict == "saw it"]),
        Step(
            "Decide about these versions: they did not learn from it, but were chosen or measured by it:",
            [v.line for v in versions if v.splits and v.verdict == "did not see it"],
        ),
        Step("Find out about these, for what is on disk cannot tell:", _unclear(holders)),
    ]
    return [step for step in steps if step.items]


def _lines(holders: list[Holder]) -> list[str]:
    """file:line as the raw tables have it; where none has the record any more, as other tables do."""
    tables = _raw(holders) or [table for holder in holders for table in holder.tables]
    return sorted({row.origin for table in tables for row in table.rows if row.origin}, key=_from_the_end)


def _from_the_end(origin: str) -> tuple[str, int]:
    """By file, and in a file from the last line up, so that the numbers stay right while lines are removed."""
    file, _, line = origin.rpartition(":")
    return (file, -int(line)) if line.isdecimal() else (origin, 0)


def _raw(holders: list[Holder]) -> list[TableRows]:
    return [table for holder in holders for table in holder.tables if table.name.endswith(".raw")]


def _rebuilt(holders: list[Holder], backbone_of: Mapping[str, str]) -> set[str]:
    """Products that hold it or stand on a backbone that read it, and backbones that no such product brings along."""
    holding = [holder for holder in holders if holder.tables or any(folder.saw for folder in holder.folders)]
    read = {
        h.name for h in holding if any(f.saw for f in h.folders) or any(t.name.endswith("_corpus") for t in h.tables)
    }
    products = {holder.name for holder in holding if holder.kind == "product"}
    products |= {product for product, backbone in backbone_of.items() if backbone in read}
    brought = {backbone_of[product] for product in products}
    return products | {holder.name for holder in holding if holder.kind == "backbone"} - brought


def _left(holders: list[Holder], made: Collection[str]) -> list[str]:
    """Files and folders that stay when everything that is declared runs."""
    held = [(table.name, table.path) for holder in holders for table in holder.tables]
    held += [(folder.name, folder.path) for holder in holders for folder in holder.folders if folder.saw]
    return [path for name, path in held if name not in made]


def _unclear(holders: list[Holder]) -> list[str]:
    folders = [
        f"{folder.path}: what it was made from has changed since, or is not there"
        for holder in holders
        for folder in holder.folders
        if folder.verdict == "cannot tell" and not folder.saw
    ]
    versions = [v.line for holder in holders for v in holder.versions if v.verdict == "cannot tell"]
    return folders + versions
