"""Products whose data is not on this machine are said, and skipped with all that waits for them."""

import json
import shutil
from typing import Any

import pytest

from modelmill.config import ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.missing import downloads_of, with_data, without_data
from modelmill.pipelines import all_pipelines
from modelmill.settings import CONFIG_LOADER_ARGS
from tests.conftest import TINY_BACKBONE, TINY_PRODUCT, Project

AWAY: dict[str, Any] = {
    **TINY_PRODUCT["mood"],
    "source": {
        "files": "data/01_raw/away/{label}.txt",
        "download": {"from": "elsewhere", "members": "*.txt"},
    },
}


def declare(project: Project, name: str, backbone: str, **changes: Any) -> None:
    """One more product."""
    project.declare("products", {name: {**AWAY, "backbone": backbone, **changes}})


def loaded(project: Project) -> ProductConfigLoader:
    """The declarations as a session has them."""
    return ProductConfigLoader(str(project.root / "conf"), **CONFIG_LOADER_ARGS)


@pytest.fixture
def several(project: Project) -> Project:
    """`away` has no data; the backbone `second` reads its texts, `third` goes on from it, `late` is on `third`."""
    here = {"source": TINY_PRODUCT["mood"]["source"]}
    second = json.loads(json.dumps(TINY_BACKBONE["tiny"]))
    second["pretraining"]["corpus"] = {"products": "away"}
    project.declare("backbones", {"second": second})
    third = {
        "pretraining": {
            "from": "second",
            "corpus": {"products": "mood"},
            "training": {"max_steps": 1, "block_tokens": 32},
        }
    }
    project.declare("backbones", {"third": {**third, "licence": "MIT"}})
    declare(project, "away", "other")
    declare(project, "late", "third", **here)
    shutil.copytree(project.root / "data/01_raw/reviews", project.root / "elsewhere")
    project.declare("backbones", {"other": {"model": "elsewhere", "licence": "MIT"}})
    return project


def test_what_depends_on_missing_data_is_skipped_each_with_its_reason(several: Project) -> None:
    """A backbone that reads the product's texts, one that goes on from it, a product on that; nothing else."""
    loader = loaded(several)
    whole = all_pipelines(loader.declarations)["__default__"]
    assert without_data(loader, whole.nodes) == {
        "away": "data missing: `kedro product fetch away`",
        "second": "skipped: it reads away, whose data is missing",
        "third": "skipped: it needs second",
        "late": "skipped: it needs second",  # whose corpus its evaluation reads
    }
    runs, _ = with_data(loader, whole)
    assert {node.name.partition(".")[0] for node in runs.nodes} == {"mood", "tiny", "other"}
    assert downloads_of(loader, ["late"]) == downloads_of(loader, ["away"]) != []
    assert downloads_of(loader, ["mood"]) == []


def test_nothing_left_to_run_is_an_error(several: Project) -> None:
    """The product alone, without the backbone that could be fetched; the line of the declaration is named."""
    loader = loaded(several)
    with pytest.raises(DeclarationError) as raised:
        with_data(loader, all_pipelines(loader.declarations)["away"])
    first, second, third, *_ = raised.value.message.splitlines()
    assert (first, second) == ("away: data missing: `kedro product fetch away`", "Nothing was run.")
    assert third.startswith(
        "  conf/base/products/away.yml:5: away.source[0].files: data/01_raw/away/{label}.txt: there is"
    )


def test_without_a_download_the_remedy_is_the_sources(project: Project) -> None:
    """A package to be installed; a path to be corrected."""
    for name, files in (("away", "package://no_such/a.txt"), ("far", "data/none.txt")):
        declare(project, name, "tiny", source={"files": files})
    loader = loaded(project)
    reasons = without_data(loader, all_pipelines(loader.declarations)["data_cleaning"].nodes)
    assert "`pip install -e '.[demo]'`" in reasons["away"]
    assert reasons["far"] == "data missing: Put the file there, or correct the address in the declaration."
    assert (
        reasons["tiny"] == "skipped: it reads away, far, whose data is missing"
    )  # their test texts are to be kept out


def test_fetch_then_run(several: Project) -> None:
    """A run says what is skipped and succeeds; the command that it names brings the data; then it runs."""
    (several.root / "conf/base/products/late.yml").unlink()
    for name in ("second", "third"):
        (several.root / f"conf/base/backbones/{name}.yml").unlink()
    first = several.kedro("run", "--pipelines", "data_cleaning")
    assert "WARNING away: data missing: `kedro product fetch away`" in " ".join((first.stdout + first.stderr).split())
    assert (several.root / "data/03_primary/mood/test.parquet").is_file()
    assert not (several.root / "data/03_primary/away").exists()
    listed = several.kedro("product", "list").stdout
    assert "data missing" in listed
    assert "away: data missing: `kedro product fetch away`" in listed
    assert "2 file(s) from elsewhere" in several.kedro("product", "fetch", "away").stdout
    assert several.kedro("product", "fetch").stdout.strip() == "all data is here"
    several.kedro("run", "--namespaces", "away.data_cleaning")
    assert (several.root / "data/03_primary/away/test.parquet").is_file()


def test_fetch_says_what_did_not_come(several: Project) -> None:
    """And ends with 1; in JSON, too."""
    shutil.rmtree(several.root / "elsewhere")
    done = several.kedro("product", "fetch", "away", "--json", check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"brought": [], "missing": {"away": "data missing: `kedro product fetch away`"}}
    assert "elsewhere: there is no such file or folder; correct `download.from`" in done.stderr
    wrong = several.kedro("product", "fetch", "awai", check=False)
    assert wrong.returncode == 2
    assert "did you mean 'away'?" in wrong.stderr
