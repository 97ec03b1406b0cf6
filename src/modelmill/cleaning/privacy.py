"""Personal data in texts: found by pattern and check digit, or by a recogniser, masked by keyed pseudonyms.

A pseudonym is the start of an HMAC of the value: the same value has the same one in every record, and nobody without
the key can tell by trying values which one it stands for.
"""

import hashlib
import hmac
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from modelmill.cleaning.recognise import Find, recognise
from modelmill.specs.cleaning import PrivacySpec

MOST_GROUPS = 9
"""Groups of the longest number that is written in groups: an IBAN in fours."""

DIGITS = 8
"""Hexadecimal digits of a pseudonym: two of 77,000 values share one with probability 1/2."""


def _digits(value: str) -> str:
    return re.sub(r"\D", "", value)


def _whole(value: str, valid: Callable[[str], bool]) -> list[tuple[int, int]]:
    return [(0, len(value))] if valid(value) else []


def _among_groups(value: str, valid: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Groups in a row that are valid together, longest first: '4111 1111 1111 1111 12' is a card and a month."""
    groups = [match.span() for match in re.finditer(r"[0-9A-Za-z]+", value)]
    spans, first = [], 0
    while first < len(groups):
        ends = range(min(first + MOST_GROUPS, len(groups)) - 1, first - 1, -1)
        start = groups[first][0]
        last = next((last for last in ends if valid(value[start : groups[last][1]])), None)
        if last is not None:
            spans.append((start, groups[last][1]))
            first = last
        first += 1
    return spans


class Kind(NamedTuple):
    """What personal data of a kind looks like, how to tell it from what looks the same, and what its spellings mean.

    A named group of the pattern is what is looked at; without one it is the whole match. `spans` says which parts of
    that are personal data.
    """

    pattern: re.Pattern[str]
    valid: Callable[[str], bool] = lambda value: True
    canonical: Callable[[str], str] = str.lower
    spans: Callable[[str, Callable[[str], bool]], list[tuple[int, int]]] = _whole


def luhn(value: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    digits = [int(mark) for mark in _digits(value)][::-1]
    return sum(digits[::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|62\d{14,17}"  # UnionPay
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"  # American Express, Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12}|(?:2131|1800)\d{11}"  # JCB
    r"|(?:50|5[6-9]|6\d)\d{10,17}"  # Maestro, Discover
)
"""First digits and lengths of card numbers, by issuer."""


def bank_card(value: str) -> bool:
    """A card number of an issuer, with its check digit."""
    digits = _digits(value)
    return _ISSUED.fullmatch(digits) is not None and luhn(digits)


def resident_id(value: str) -> bool:
    """A Chinese resident identity number: date of birth, check digit by ISO 7064 MOD 11-2 (GB 11643-1999)."""
    try:
        born = date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return False
    weights = [2**place % 11 for place in range(17, 0, -1)]
    rest = sum(weight * int(mark) for weight, mark in zip(weights, value, strict=False)) % 11
    return born.year >= 1880 and "10X98765432"[rest] == value[17].upper()


def iban(value: str) -> bool:
    """An international bank account number: the rest of the whole by 97 is 1 (ISO 13616, ISO 7064 MOD 97-10)."""
    plain = re.sub(r"\s", "", value).upper()
    return 15 <= len(plain) <= 34 and int("".join(str(int(mark, 36)) for mark in plain[4:] + plain[:4])) % 97 == 1


def _address(value: str) -> bool:
    """An address with a digit in it: `B::C` and `::add` could be addresses too, but are code."""
    try:
        return not ipaddress.ip_address(value).is_unspecified and any(mark.isdigit() for mark in value)
    except ValueError:
        return False


def _phone(value: str) -> bool:
    """8 to 15 digits (ITU-T E.164), not one digit all over."""
    digits = _digits(value)
    return 8 <= len(digits) <= 15 and len(set(digits)) > 1


def _subscriber(value: str) -> str:
    """A number's digits, a Chinese mobile one without the code of the country."""
    digits = _digits(value)
    return re.sub(r"^(?:00)?86(?=1\d{10}$)", "", digits)


_START, _END = r"(?<![0-9A-Za-z+])(?<!\d[.-])", r"(?![0-9A-Za-z]|[.-]\d)"
"""Not inside a longer number or word."""


def _pattern(*forms: str) -> re.Pattern[str]:
    """Any of the forms, standing alone."""
    return re.compile(rf"{_START}(?:{'|'.join(forms)}){_END}", re.ASCII)


_SECRET = (
    "(?:access_|id_|refresh_)?token|api[_-]?key|key|sig(?:nature)?|secret|password|passwd|pwd|auth|session|sid|code"
)

KINDS: dict[str, Kind] = {
    "url_secret": Kind(
        re.compile(
            rf"(?<=[?&#;])(?:{_SECRET})=(?P<value>[A-Z0-9._~%+/=-]{{6,}})"
            r"|(?<=://)(?P<account>[A-Z0-9._~%!$*+-]+:[A-Z0-9._~%!$*+-]+)(?=@)",
            re.ASCII | re.IGNORECASE,
        ),
        canonical=str,
    ),
    "email": Kind(re.compile(r"(?<![\w.%+-])[A-Z0-9._%+-]{1,64}@(?:[A-Z0-9-]+\.)+[A-Z]{2,}", re.ASCII | re.IGNORECASE)),
    "ip_address": Kind(
        re.compile(
            rf"{_START}\d{{1,3}}(?:\.\d{{1,3}}){{3}}{_END}"
            r"|(?<![0-9A-Z.])(?:[0-9A-F]{1,4}:|::)(?:[0-9A-F]{0,4}:){0,6}[0-9A-F]{0,4}(?![\w:])",
            re.ASCII | re.IGNORECASE,
        ),
        _address,
        lambda value: str(ipaddress.ip_address(value)),
    ),
    "resident_id": Kind(_pattern(r"[1-9]\d{16}[\dXx]"), resident_id),
    "iban": Kind(
        _pattern(r"[A-Z]{2}\d{2}[A-Z0-9]*(?: [A-Z0-9]+)*"), iban, lambda value: value.replace(" ", ""), _among_groups
    ),
    "bank_card": Kind(_pattern(r"\d+(?:[ -]\d+)*"), bank_card, _digits, _among_groups),
    "social_security": Kind(_pattern(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}"), canonical=_digits),
    "phone": Kind(
        _pattern(
            r"(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}",  # mobile, China
            r"(?:\(0\d{2,3}\) ?|0\d{2,3}[ -])[2-9]\d{2,3}[ -]?\d{4}(?:[-转]\d{1,5})?",  # landline, China
            r"[48]00[ -]\d{3}[ -]?\d{4}",  # service numbers, China
            r"(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}",  # North America
            r"\+[1-9]\d{0,2}(?:[ -]?\(?\d{1,5}\)?){2,6}",  # with the country's code
        ),
        _phone,
        _subscriber,
    ),
}
"""In the order of masking: the more certain before the less certain."""


def pseudonym(kind: str, value: str, key: bytes) -> str:
    """'<email_1f3a9c2b>', the same for all spellings of a value; of a kind not in `KINDS`, case and blanks aside."""
    canonical = KINDS[kind].canonical(value) if kind in KINDS else " ".join(value.casefold().split())
    digest = hmac.new(key, f"{kind}:{canonical}".encode(), hashlib.sha256).hexdigest()
    return f"<{kind}_{digest[:DIGITS]}>"


def mask(text: str, kinds: Iterable[str], key: bytes) -> tuple[str, Counter[str]]:
    """The text with personal data replaced by pseudonyms, and how much of each kind there was.

    Args:
        text: any text; full-width digits are found once it is normalised.
        kinds: names in `KINDS`.
        key: the secret that pseudonyms follow from.
    """
    found: Counter[str] = Counter()
    wanted = set(kinds)
    for name, kind in KINDS.items():
        if name not in wanted:
            continue

        def replace(match: re.Match[str], name: str = name, kind: Kind = kind) -> str:
            group = next((group for group, value in match.groupdict().items() if value is not None), 0)
            masked, at = match[0], match.start(group) - match.start()
            spans = kind.spans(match[group], kind.valid)
            found[name] += len(spans)
            for start, end in reversed(spans):
                value = match[group][start:end]
                masked = masked[: at + start] + pseudonym(name, value, key) + masked[at + end :]
            return masked

        text = kind.pattern.sub(replace, text)
    return text, +found


_PSEUDONYM = re.compile(rf"<[a-z_]+_[0-9a-f]{{{DIGITS}}}>")
_CORE = re.compile(r"\w(?:.*\w)?", re.DOTALL)
"""A value without the blanks and marks around it."""


def mask_finds(text: str, finds: Iterable[Find], key: bytes) -> tuple[str, Counter[str]]:
    """The text with a recogniser's finds replaced by pseudonyms, and how many of each kind there were.

    What is a pseudonym already stays. Of finds that overlap the longer comes first, then the surer; what only the other
    one holds is masked as its own kind, so that no half of a name is left.
    """
    taken = bytearray(len(text))
    for match in _PSEUDONYM.finditer(text):
        taken[slice(*match.span())] = b"\1" * len(match[0])
    parts = []
    for find in sorted(finds, key=lambda find: (find.start - find.end, -find.score, find.start)):
        for free in re.finditer(rb"\0+", taken[find.start : find.end]):
            if core := _CORE.search(text, find.start + free.start(), find.start + free.end()):
                parts.append((*core.span(), find.kind))
        taken[find.start : find.end] = b"\1" * (find.end - find.start)
    for start, end, kind in sorted(parts, reverse=True):
        text = text[:start] + pseudonym(kind, text[start:end], key) + text[end:]
    return text, Counter(kind for *_, kind in parts)


def mask_records(records: pl.DataFrame, spec: PrivacySpec) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Mask the texts of records.

    Returns:
        the records, and a report: how many values of each kind were masked, in how many records.

    Raises:
        DataError: when the environment holds no key, or the recogniser cannot be used.
    """
    key = spec.secret()
    masked = [mask(text, spec.kinds, key) for text in records["text"]]
    if spec.presidio:
        finds = recognise([text for text, _ in masked], spec.presidio)
        more = (mask_finds(text, found, key) for (text, _), found in zip(masked, finds, strict=True))
        masked = [(text, counts + new) for (_, counts), (text, new) in zip(masked, more, strict=True)]
    found = sum((counts for _, counts in masked), Counter[str]())
    report = {"masked": dict(sorted(found.items())), "records": sum(bool(counts) for _, counts in masked)}
    return records.with_columns(pl.Series("text", [text for text, _ in masked], dtype=pl.String)), report
