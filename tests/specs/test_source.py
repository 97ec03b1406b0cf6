"""What may be declared of a source, and what is refused before any data is read."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from modelmill.specs.product import ProductSpec
from modelmill.specs.source import SourceSpec

WEB = {"from": "https://example.com/a.csv"}
WHEEL = {"from": "pkg:pypi/a@1", "members": "x/a.csv"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"download": {"from": "pkg:pypi/a@1"}}, "say by `members` which of its files"),
        ({"download": {"from": "pkg:pypi/a", "members": "x"}}, "names no version"),
        ({"download": {"from": "pkg:cargo/a@1", "members": "x"}}, "type 'cargo' cannot be fetched"),
        ({"download": {"from": "pkg:", "members": "x"}}, "is no package URL"),
        ({"download": {"from": "ftp://example.com/a.csv"}}, "neither a package URL"),
        ({"download": {**WHEEL, "members": "x/../../a.csv"}}, "without `..`"),
        ({"download": {**WHEEL, "members": "/etc/passwd"}}, "a path within the archive"),
        ({"download": {**WHEEL, "sha256": "abc"}}, "should match pattern"),
        ({"download": WEB, "files": "package://a/b.csv"}, "must be a path below it"),
        ({"download": WEB, "files": "../b.csv"}, "must be a path below it"),
        ({"download": WEB, "files": "data/*.csv"}, "say by `download.members`"),
        ({"files": "a.txt", "header": False}, "`header` and `quotes` are of csv and tsv"),
        ({"labels_from": {"x": {}}}, "give `at_least`, `below` or both"),
        ({"labels_from": {"x": {"at_least": 2, "below": 1}}}, "give `at_least`, `below` or both"),
        ({"labels_from": {"low": {"below": 1}, "high": {"at_least": 0}}}, "'low' and 'high' overlap"),
    ],
)
def test_what_cannot_be_meant_is_refused(source: dict[str, Any], message: str) -> None:
    """One message that says what to write."""
    with pytest.raises(ValidationError, match=re.escape(message)):
        SourceSpec.model_validate({"files": "data/a.csv", **source})


@pytest.mark.parametrize(
    ("product", "message"),
    [
        ({"source": [{"files": "a.csv", "part": "train"}]}, "none is for test, validation"),
        ({"source": [{"files": f"{p}.csv", "part": p} for p in ("train", "validation", "test")] + [{"files": "a.csv"}]},
         "all three parts"),
        ({"source": [{"files": f"{p}.csv", "columns": {"group": "g"}, "part": p} for p in ("train", "test")],
          "split": {"by": "group"}}, "goes with `split: {by: random}` or `stratified`"),
        ({"source": {"files": "a.csv", "labels_from": {"x": {"below": 0}}}}, "say by `contract: {labels"),
    ],
)  # fmt: skip
def test_parts_and_ranges_must_fit_the_rest_of_the_product(product: dict[str, Any], message: str) -> None:
    """A split that no record would come into, or that two sections would decide."""
    with pytest.raises(ValidationError, match=re.escape(message)):
        ProductSpec.model_validate({"task": "text_classification", "backbone": "b", **product})
