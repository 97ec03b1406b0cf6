"""Personal data: what is found, what is left alone, and that a pseudonym says nothing without its key."""

import re
from pathlib import Path
from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmill.cleaning.clean import clean_product
from modelmill.cleaning.privacy import KINDS, iban, luhn, mask, resident_id
from modelmill.errors import DataError
from modelmill.records import RECORD
from modelmill.specs.cleaning import CleaningSpec, PersonalData, PrivacySpec
from modelmill.specs.source import ContractSpec
from modelmill.tables import store
from modelmill.text import normalise

KEY = b"a key of the test"

FOUND = {
    "email": ["zhang.san+shop@mail.example.com", "请写信到li@qq.com谢谢"],
    "phone": [
        "13812345678", "+86 138-1234-5678", "(010) 6552 9988", "0755-83765566", "400-820-8820", "Tel.13812345678",
        "(415) 555-2671", "415-555-2671", "+44 20 7946 0958", "请拨打13812345678。", "电话-13812345678",
    ],
    "resident_id": ["11010519491231002X", "身份证440524188001010014,"],
    "bank_card": [
        "4111 1111 1111 1111", "6222020200112230046", "378282246310005", "3056 930902 5904", "4111111111111111 12/27",
        "4111 1111 1111 1111 12/27", "4111 1111 1111 1111 123", "room 2024 4111 1111 1111 1111",
    ],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "BE68 5390 0754 7034 EUR"],
    "social_security": ["219-09-9999"],
    "ip_address": ["192.168.0.17", "2001:db8::8a2e:370:7334", "地址:fe80::1。"],
    "url_secret": ["https://a.org/x?user=1&access_token=abcdef123456", "https://me:geheim@host.org/"],
}  # fmt: skip

LEFT = [
    "11010519491231002x1", "110105194912310021", "11010519491332002X", "4111 1111 1111 1112", "DE89370400440532013001",
    "0000000000000000", "202611234111111111", "62220202", "v1.2.3", "256.1.1.1", "12:30:45", "std::vector",
    "use B::C", "call ::add", "profit +1000000 usd", "temperature +12.5 13.2 14.8", "https://a.org:8080,写信给li",
    "2026-11-23", "3.14159265", "12,345,678", "me@localhost", "@zhangsan", "000-12-3456", "1111111111",
    "订单号20261123000123", "https://a.org/?page=123456789", "ISBN 978-7-302-51105-2", "138123456789012",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_found(kind: str, text: str) -> None:
    """Each is masked as its own kind, once, and what stood around it stays."""
    masked, found = mask(text, KINDS, KEY)
    assert dict(found) == {kind: 1}
    assert re.search(rf"<{kind}_[0-9a-f]{{8}}>", masked)


@pytest.mark.parametrize("text", LEFT)
def test_left_alone(text: str) -> None:
    """What only looks like personal data: wrong check digits, dates, versions, longer numbers."""
    assert mask(text, KINDS, KEY) == (text, {})


def test_a_pseudonym_follows_from_value_kind_and_key() -> None:
    """Spellings of one number have one pseudonym; another number or another key has another one."""
    texts = ["13812345678", "+86 138 1234 5678", "13812345679"]
    one, same, other = (mask(text, ["phone"], KEY)[0] for text in texts)
    assert one == same != other
    assert mask(texts[0], ["phone"], b"another")[0] != one
    for kind, values in (("ip_address", ["1.11.1.1", "11.1.1.1"]), ("email", ["a.b@c.org", "ab@c.org"])):
        assert len({mask(value, [kind], KEY)[0] for value in values}) == 2


def test_kinds_can_be_declared() -> None:
    """The language of the products knows the kinds that there are, no others."""
    assert set(get_args(PersonalData)) == set(KINDS)


def test_only_the_wanted_kinds() -> None:
    """Kinds that were not asked for stay as they are."""
    assert mask("a@b.org 13812345678", ["email"], KEY)[0].endswith(" 13812345678")


def test_the_address_around_a_secret_stays() -> None:
    """The value is masked; host, path and other parameters are what they were."""
    masked, _ = mask("https://a.org/x?token=abcdef123&page=2", KINDS, KEY)
    assert re.fullmatch(r"https://a\.org/x\?token=<url_secret_[0-9a-f]{8}>&page=2", masked)
    masked, _ = mask("https://a.org/?key=abcdef123,这本书很好看", KINDS, KEY)
    assert masked.endswith(">,这本书很好看")


@given(st.lists(st.sampled_from([text for texts in FOUND.values() for text in texts]), min_size=1, max_size=4))
def test_a_masked_text_is_in_normal_form_and_stays(texts: list[str]) -> None:
    """A pseudonym is not itself taken for personal data, nor for mark-up that normalising takes away."""
    once, found = mask(normalise("; ".join(texts)), KINDS, KEY)
    assert sum(found.values()) >= len(texts)
    assert mask(once, KINDS, KEY) == (once, {})
    assert normalise(once) == once


@given(st.integers(10**14, 10**15 - 1))
def test_check_digits(stem: int) -> None:
    """Exactly one last digit is right, for cards as for resident numbers and accounts."""
    assert sum(luhn(f"{stem}{digit}") for digit in range(10)) == 1
    assert sum(iban(f"XX{check:02}{stem}") for check in range(2, 99)) == 1
    number = f"110105{1900 + stem % 100}0101{stem % 1000:03}"
    assert sum(resident_id(number + digit) for digit in "0123456789X") == 1


RAW = pl.DataFrame(
    [("r0", "写信到a@b.org", "x", "f:1"), ("r1", "写信到 A@b.org", "x", "f:2"), ("r2", "no one", "y", "f:3")],
    schema=RECORD,
    orient="row",
)
PRIVATE = CleaningSpec(privacy=PrivacySpec(kinds=["email"], key="TEST_KEY"))


def test_the_books_count_what_was_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many values of each kind, and in how many records; duplicates are told apart by what is left."""
    monkeypatch.setenv("TEST_KEY", "a secret of the tests")
    files = clean_product(store(RAW, tmp_path / "raw.parquet"), ContractSpec(max_reject=1), PRIVATE, str(tmp_path))
    kept, rejects, report = files[0].read(), files[1].read(), files[2]
    step = next(step for step in report["steps"] if step["step"] == "privacy")
    assert step == {"step": "privacy", "in": 3, "out": 3, "rejected": {}, "masked": {"email": 2}, "records": 2}
    assert kept["id"].to_list() == ["r0", "r2"]
    assert rejects["reason"].to_list() == ["duplicate"]
    assert "@" not in "".join(kept["text"])


def test_no_key_no_masking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the key the run stops; a key of our own making would be no secret."""
    monkeypatch.delenv("TEST_KEY", raising=False)
    with pytest.raises(DataError, match="set the environment variable TEST_KEY"):
        clean_product(store(RAW, tmp_path / "raw.parquet"), ContractSpec(max_reject=1), PRIVATE, str(tmp_path))
