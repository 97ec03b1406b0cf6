"""Lines of a text file, read in pieces: memory does not grow with it, and what cannot be read is named by its line."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from modelmill.errors import SourceError

PIECE = 1 << 20
"""Bytes that are read at once."""

LONGEST = 64 << 20
"""Characters of the longest line; a longer one is a file of another kind."""

GUESSES = ("utf-8", "gb18030", "utf-16", "windows-1252", "latin-1")
"""Encodings that may be proposed, the likelier first; the last one reads every file."""


def text_lines(path: Path, shown: str, encoding: str) -> Iterator[str]:
    """The lines of a file, gunzipped when its name ends in `.gz`, without their line feeds.

    Only line feeds end a line (`str.splitlines` cuts at U+2028 and form feeds too); a byte-order mark is no text.

    Raises:
        SourceError: names the line that cannot be decoded, is too long, or at which a damaged archive ends.
    """
    number, length, pending = 1, 0, [""]
    for text in _decoded(path, shown, encoding):
        first, *lines = text.split("\n")
        pending.append(first)
        if lines:
            yield "".join(pending)
            yield from lines[:-1]
            number, length, pending = number + len(lines), 0, [lines[-1]]
        length += len(lines[-1] if lines else first)
        if length > LONGEST:
            raise SourceError(
                f"{shown}:{number}: this line is longer than {LONGEST >> 20} million characters.\n"
                "Break it up; or declare `format: documents` if the file is one record, or the right format."
            )
    if length:
        yield "".join(pending)


def whole_text(path: Path, shown: str, encoding: str) -> str:
    """The text of a file that is one record; errors as `text_lines`, but for the length."""
    return "".join(_decoded(path, shown, encoding))


def _decoded(path: Path, shown: str, encoding: str) -> Iterator[str]:
    """Pieces of text."""
    decoder = codecs.getincrementaldecoder(encoding)()
    feeds, begun = 0, False
    for data in chain(_pieces(path, shown), [b""]):
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError as error:
            raise _undecodable(error, path, f"{shown}:{feeds + 1}", encoding, feeds) from None
        if not begun and (wide := _wide(text, data)):
            raise SourceError(
                f"{shown}:1: NUL characters stand in the text, as in UTF-16 without a byte-order mark.\n"
                f"Save the file as UTF-8, or declare the encoding in `source` (`encoding: {wide}`)."
            )
        feeds += text.count("\n")
        yield text if begun else text.removeprefix("\ufeff")
        begun = begun or bool(text)


def _pieces(path: Path, shown: str) -> Iterator[bytes]:
    """The bytes of a file, gunzipped."""
    zipped = path.suffix.lower() == ".gz"
    try:
        if zipped and not path.stat().st_size:
            raise EOFError("it has no bytes")  # to `gzip` that is an archive of nothing
        with gzip.open(path) if zipped else path.open("rb") as stream:
            while data := stream.read(PIECE):
                yield data
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{shown}: this gzip archive is damaged or cut off ({error}); bring it again.") from None


def _wide(text: str, data: bytes) -> str | None:
    """The kind of UTF-16 that a file without a mark is in: any encoding may read that, with a NUL at each line feed."""
    if "\0" not in text[:2] and "\n\0" not in text and "\0\n" not in text:
        return None
    return "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"


def _undecodable(error: UnicodeError, path: Path, place: str, encoding: str, feeds: int) -> SourceError:
    """What cannot be decoded, where, and which encoding would read the file."""
    wrong, cut_off = "", ""
    if isinstance(error, UnicodeDecodeError):
        before = error.object[: error.start].decode(encoding, "ignore").count("\n")
        place = f"{place.rpartition(':')[0]}:{feeds + before + 1}"
        wrong = f"byte 0x{error.object[error.start : error.start + 1].hex()} "
        cut_off = "Bring it again, if it was cut off in this character. " if error.end == len(error.object) else ""
    guess = next(name for name in GUESSES if _decodes(path, name))
    return SourceError(
        f"{place}: {wrong or 'the text '}is not {encoding}.\n"
        f"{cut_off}Save the file as UTF-8, or declare the encoding in `source` (`encoding: {guess}` would read it)."
    )


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for data in chain(_pieces(path, path.name), [b""]):
            decoder.decode(data, final=not data)
    except UnicodeError:
        return False
    return True
