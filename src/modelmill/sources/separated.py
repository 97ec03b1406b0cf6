"""Rows of comma- or tab-separated files, and what is wrong with a file that has none."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from modelmill.errors import SourceError
from modelmill.sources import lines
from modelmill.sources.lines import text_lines


def separated(path: Path, shown: str, encoding: str, separator: str) -> tuple[list[str], Iterator[tuple[object, ...]]]:
    """The names in the header, and of each row the line at which it begins and its fields.

    Raises:
        SourceError: for a file without a header or with another separator, at the first row with a wrong number of
            fields (its columns cannot be told) or with broken quotes.
    """
    csv.field_size_limit(lines.LONGEST)  # a quote that is never closed swallows the rest of the file
    head = list(islice(filter(str.strip, text_lines(path, shown, encoding)), 2))
    if not head:
        raise SourceError(f"{shown}:1: the file is empty; a header line with the column names was expected.")
    wrong = _other_separator(head, separator, shown)
    rows = _Rows(text_lines(path, shown, encoding), separator)

    def checked() -> Iterator[tuple[int, list[str]]]:
        try:
            yield from rows
        except csv.Error as error:
            raise wrong or _broken(str(error), rows, text_lines(path, shown, encoding), shown) from None

    found = checked()
    _, names = next(found)
    return names, _of_width(found, len(names), wrong, shown)


class _Rows:
    """Rows that are not empty, each with the line at which it begins: a quoted field may span lines."""

    def __init__(self, found: Iterable[str], separator: str) -> None:
        self.reader = csv.reader((f"{line}\n" for line in found), delimiter=separator, strict=True)
        self.begins = 1

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for row in self.reader:
            begun, self.begins = self.begins, self.reader.line_num + 1
            if row:
                yield begun, row


def _of_width(
    rows: Iterable[tuple[int, list[str]]], width: int, wrong: SourceError | None, shown: str
) -> Iterator[tuple[object, ...]]:
    for line, row in rows:
        if len(row) != width:
            raise wrong or SourceError(
                f"{shown}:{line}: {len(row)} fields where the header names {width}.\n"
                "Mend the row (quote fields that hold the separator), or declare the right `format`."
            )
        yield (line, *row)


def _other_separator(head: list[str], separator: str, shown: str) -> SourceError | None:
    """The error to raise should the rows not fit, for a header that has another separator only.

    Raises:
        SourceError: at once, when the line below has as many of them.
    """
    other = max(",;\t|", key=head[0].count)
    if other not in head[0] or separator in head[0]:
        return None
    remedy = {",": "declare `format: csv`", "\t": "declare `format: tsv`"}.get(other, "save the file with commas")
    wrong = SourceError(f"{shown}:1: the header looks separated by {other!r}, not by {separator!r}; {remedy}.")
    if len(head) == 2 and head[0].count(other) == head[1].count(other):
        raise wrong
    return wrong


def _broken(reason: str, rows: _Rows, found: Iterable[str], shown: str) -> SourceError:
    """What is wrong with a row, and where the field begins that goes on to the end of the file or is too long."""
    last = rows.reader.line_num
    if "new-line" in reason:
        return SourceError(
            f"{shown}:{last}: a carriage return stands outside of quotes.\n"
            "Quote the field that holds it, or save the file with line feeds at the ends of its lines."
        )
    if "expected after" in reason:
        since = "" if last == rows.begins else f" (in the row that begins at line {rows.begins})"
        return SourceError(f"{shown}:{last}: {reason}{since}; mend the quotes of this row.")
    opened, within = rows.begins, False
    for number, line in islice(enumerate(found, 1), rows.begins - 1, last):
        if quotes := line.replace('""', "").count('"'):
            within ^= quotes % 2 == 1
            opened = number if within else opened
    return SourceError(
        f"{shown}:{opened}: nothing closes the quoted field that begins here ({reason}).\n"
        "Close its quote, or double the quote if it is a mark of the text."
    )
