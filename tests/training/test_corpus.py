"""What products give to a corpus, and what they keep out of it."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from modelmill.cleaning.clean import clean_product
from modelmill.cleaning.split import split_records
from modelmill.sources.read import read_sources
from modelmill.specs.product import ProductSpec
from modelmill.training.corpus import PRODUCT_SECTIONS, held_out_texts, training_texts


@pytest.mark.parametrize("privacy", [None, {}])
def test_the_splits_are_those_of_the_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, privacy: dict[str, Any] | None
) -> None:
    """Whether personal data is masked or not: the same ids are held out, and none of them is given to the corpus. What
    is held out is not masked, for the corpus may have it so."""
    monkeypatch.setenv("MODELMILL_PSEUDONYM_KEY", "a secret of the tests")
    rows = [f"text {i} of 138{i:08},{'xy'[i % 2]}" for i in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]))
    declared = {
        "task": "text_classification", "source": {"files": "a.csv"}, "backbone": "b", "cleaning": {"privacy": privacy}
    }  # fmt: skip
    spec, root = ProductSpec.model_validate(declared), str(tmp_path)
    sections = [spec.model_dump(mode="json")[name] for name in PRODUCT_SECTIONS]
    raw, _ = read_sources(spec.source, spec.cleaning, root)
    clean, _, _ = clean_product(raw, spec.contract, spec.cleaning, root)
    train, *parts, _ = split_records(clean, spec.split, spec.contract)
    held_out, given = held_out_texts(root, *sections), training_texts(root, *sections)
    assert held_out["id"].to_list() == pl.concat(parts)["id"].to_list()
    assert given["id"].to_list() == train["id"].to_list()
    assert held_out["text"].str.contains("of 138").all()
    assert given["text"].str.contains("of 138").any() == (privacy is None)
    assert not list((tmp_path / "data/.scratch").rglob("*.parquet"))[3:]  # those of this test itself
