"""Personal data in texts: found by pattern and check digit, masked by keyed pseudonyms.

A pseudonym is the start of an HMAC of the value: the same value has the same one in every record, and nobody without
the key can tell by trying values which one it stands for.
"""

import hashlib
import hmac
import ipaddress
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from modelmill.errors import DataError
from modelmill.specs.cleaning import PrivacySpec

DIGITS = 8
"""Hexadecimal digits of a pseudonym: two of 77,000 values share one with probability 1/2."""


class Kind(NamedTuple):
    """What personal data of a kind looks like, and how to tell it from what looks the same.

    The group `value` of the pattern is what is masked; without one it is the whole match.
    """

    pattern: re.Pattern[str]
    valid: Callable[[str], bool] = lambda value: True


def _digits(value: str) -> list[int]:
    return [int(mark) for mark in value if mark.isdigit()]


def luhn(value: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    digits = _digits(value)[::-1]
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
    digits = re.sub(r"\D", "", value)
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
    try:
        return not ipaddress.ip_address(value).is_unspecified
    except ValueError:
        return False


def _phone(value: str) -> bool:
    """7 to 15 digits (ITU-T E.164), not one digit all over."""
    digits = _digits(value)
    return 7 <= len(digits) <= 15 and len(set(digits)) > 1


def _pattern(*forms: str) -> re.Pattern[str]:
    """Any of the forms, not inside a longer number or word."""
    whole = "|".join(forms)
    return re.compile(rf"(?<![0-9A-Za-z.+-])(?:{whole})(?![0-9A-Za-z]|[.-]\d)")


_SECRET = (
    "(?:access_|id_|refresh_)?token|api[_-]?key|key|sig(?:nature)?|secret|password|passwd|pwd|auth|session|sid|code"
)

KINDS: dict[str, Kind] = {
    "url_secret": Kind(
        re.compile(
            rf"(?<=[?&#;])(?:{_SECRET})=(?P<value>[^&\s#'\"<>]{{6,}})"
            r"|(?<=://)(?P<account>[^/\s:@]+:[^/\s@]+)(?=@)",
            re.IGNORECASE,
        )
    ),
    "email": Kind(re.compile(r"(?<![\w.%+-])[A-Z0-9._%+-]{1,64}@(?:[A-Z0-9-]+\.)+[A-Z]{2,}", re.ASCII | re.IGNORECASE)),
    "ip_address": Kind(
        re.compile(
            r"(?<![0-9A-Za-z.+-])\d{1,3}(?:\.\d{1,3}){3}(?![0-9A-Za-z]|[.-]\d)"
            r"|(?<![0-9A-Za-z.])(?:[0-9A-F]{1,4}:|::)(?:[0-9A-F]{0,4}:){0,6}[0-9A-F]{0,4}(?![\w:])",
            re.ASCII | re.IGNORECASE,
        ),
        _address,
    ),
    "resident_id": Kind(_pattern(r"[1-9]\d{16}[\dXx]"), resident_id),
    "iban": Kind(_pattern(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?"), iban),
    "bank_card": Kind(
        _pattern(r"\d{4}(?:[ -]?\d{4}){2,3}(?:[ -]?\d{1,3})?", r"\d{4}[ -]?\d{6}[ -]?\d{4,5}"), bank_card
    ),
    "social_security": Kind(_pattern(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")),
    "phone": Kind(
        _pattern(
            r"(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}",  # mobile, China
            r"(?:\(0\d{2,3}\) ?|0\d{2,3}[ -])[2-9]\d{2,3}[ -]?\d{4}(?:[-转]\d{1,5})?",  # landline, China
            r"[48]00[ -]\d{3}[ -]?\d{4}",  # service numbers, China
            r"(?:1[ .-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}",  # North America
            r"\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){2,6}",  # with the country's code
        ),
        _phone,
    ),
}
"""In the order of masking: the more certain before the less certain."""


def pseudonym(kind: str, value: str, key: bytes) -> str:
    """'<email_1f3a9c2b>'; letters and digits alone count, in lower case, so that spellings of a number are one."""
    plain = re.sub(r"[^0-9a-z@]", "", value.lower()) if kind != "url_secret" else value
    digest = hmac.new(key, f"{kind}:{plain}".encode(), hashlib.sha256).hexdigest()
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
            value = match[group]
            if not kind.valid(value):
                return match[0]
            found[name] += 1
            start, end = match.start(group) - match.start(), match.end(group) - match.start()
            return match[0][:start] + pseudonym(name, value, key) + match[0][end:]

        text = kind.pattern.sub(replace, text)
    return text, found


def mask_records(records: pl.DataFrame, spec: PrivacySpec) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Mask the texts of records.

    Returns:
        the records, and a report: how many values of each kind were masked, in how many records.

    Raises:
        DataError: when the environment holds no key.
    """
    key = os.environ.get(spec.key, "")
    if not key:
        raise DataError(
            f"`cleaning.privacy` needs a secret key: set the environment variable {spec.key} to a long random text and "
            "keep it; with another key the same person gets another pseudonym."
        )
    masked = [mask(text, spec.kinds, key.encode()) for text in records["text"]]
    found = sum((counts for _, counts in masked), Counter[str]())
    report = {"masked": dict(sorted(found.items())), "records": sum(bool(counts) for _, counts in masked)}
    return records.with_columns(pl.Series("text", [text for text, _ in masked], dtype=pl.String)), report
