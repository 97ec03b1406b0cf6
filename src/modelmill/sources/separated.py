"""Rows of comma- or tab-separated files, and what is wrong with a file that has none."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from modelmill.errors import SourceError
from modelmill.sources import lines
from modelmill.sources.lines import text_lines


@dataclass(frozen=True)
class Dialect:
    """What separates fields, whether the first row names them, and whether quotes may enclose them."""

    separator: str
    header: bool = True
    quotes: bool = True


def separated(
    path: Path, shown: str, encoding: str, dialect: Dialect
) -> tuple[list[str], Iterator[tuple[object, ...]]]:
    """The names in the header (without one, the places from 0), and of each row the line at which it begins and its
    fields.

    Raises:
        SourceError: for a file without a header or with another separator, at the first row with a wrong number of
            fields (its columns cannot be told) or with broken quotes.
    """
    csv.field_size_limit(lines.LONGEST)  # a quote that is never closed swallows the rest of the file
    head = list(islice(filter(str.strip, text_lines(path, shown, encoding)), 2))
    if not head:
        expected = "a header line with the column names was" if dialect.header else "rows were"
        raise SourceError(f"{shown}:1: the file is empty; {expected} expected.")
    wrong = _other_separator(head, dialect.separator, shown)
    rows = _Rows(text_lines(path, shown, encoding), dialect)

    def checked() -> Iterator[tuple[int, list[str]]]:
        try:
            yield from rows
        except csv.Error as error:
            raise wrong or _broken(str(error), rows, text_lines(path, shown, encoding), shown) from None

    found = checked()
    first = next(found)
    if dialect.header:
        return first[1], _of_width(found, len(first[1]), wrong, shown)
    names = [str(place) for place in range(len(first[1]))]
    return names, _of_width(chain([first], found), len(names), wrong, shown)


ORANGE_FLAG = re.compile(r"class|c|meta|m|ignore|i|weight|w|.+=.*")


def skip_orange_rows(rows: Iterator[tuple[object, ...]], shown: str) -> None:
    """Pass the second and third row of Orange's format; `SourceError` where they are none."""
    head = [[str(cell) for cell in cells] for _, *cells in islice(rows, 2)]
    if len(head) < 2 or not all(ORANGE_FLAG.fullmatch(word) for cell in head[1] for word in cell.split()):
        raise SourceError(
            f"{shown}:3: the third row of Orange's format says what each column is for (class, meta, ignore or "
            "nothing); this one does not. Declare `format: tsv` if the records begin at the second row."
        )


class _Rows:
    """Rows that are not empty, each with the line at which it begins: a quoted field may span lines."""

    def __init__(self, found: Iterable[str], dialect: Dialect) -> None:
        lines = (f"{line}\n" for line in found)
        self.reader = csv.reader(
            lines,
            delimiter=dialect.separator,
            quoting=csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE,
            strict=True,
        )
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
                f"{shown}:{line}: {len(row)} fields where the first row has {width}.\n"
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
