"""The declarations that the project ships."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelmill.config import ProductConfigLoader
from modelmill.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT


@pytest.mark.parametrize("env", ["local", "long"])
def test_every_environment_resolves(env: str) -> None:
    """The demo and the longer run have no mistake, and all their sources are on this machine; others can be fetched."""
    loader = ProductConfigLoader(str(ROOT / "conf"), env=env, **CONFIG_LOADER_ARGS)
    demo, fetched = (
        {"review_sentiment", "news_topic", "digits", "zh_small", "minilm", "small_resnet"},
        {"bank_intent", "finance_topic", "opinion_en", "fashion_image", "movie_next", "movie_items"},
    )
    assert {*loader.declarations.products, *loader.declarations.backbones} == demo | fetched
    assert not [*loader.missing_sources(demo)]
    given = [*loader.addresses_in(fetched)]
    assert all(one.source and one.source.download for one in given)


def test_the_long_run_is_longer() -> None:
    """It changes the budget, not the product."""
    short, long = (
        ProductConfigLoader(str(ROOT / "conf"), env=env, **CONFIG_LOADER_ARGS).declarations for env in ("local", "long")
    )
    assert short.products["review_sentiment"].source == long.products["review_sentiment"].source
    assert short.products["review_sentiment"].split == long.products["review_sentiment"].split
    plans = [declared.backbones["zh_small"].pretraining for declared in (short, long)]
    assert plans[0]
    assert plans[1]
    assert plans[0].training.max_steps < plans[1].training.max_steps


def test_the_schemas_for_editors_are_fresh(tmp_path: Path) -> None:
    """`make schema` would change nothing."""
    command = [sys.executable, "-m", "kedro", "product", "schema", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {"products.schema.json", "backbones.schema.json", "registry.schema.json"} < set(written)
    assert written == {path.name: path.read_text() for path in (ROOT / "docs/schema").iterdir()}
