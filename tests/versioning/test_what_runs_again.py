"""Something is really changed, and exactly the declared stages really run again; each door knows what the other did."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.versioning.conftest import Versioned, ran

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def changing(committed: Versioned, tmp_path_factory: pytest.TempPathFactory) -> Versioned:
    """One project that the tests change one after another; each leaves it with all stages fresh."""
    return committed.copy(tmp_path_factory.mktemp("changing") / "project")


def declared(project: Versioned, kind: str, name: str, *path: str, value: Any) -> None:
    """Change one key of a declaration."""
    content = project.yaml(f"conf/base/{kind}/{name}.yml")
    section = content[name]
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = value
    project.declare(kind, content)


def stale(project: Versioned) -> set[str]:
    """Stages that something of their own has made stale."""
    rows = json.loads(project.kedro("dvc", "status", "--json").stdout)["stages"]
    return {row["stage"] for row in rows if row["status"] == "stale"}


def check(project: Versioned, by_itself: set[str], may_follow: set[str] = frozenset()) -> None:
    """`kedro dvc status` names the stages; `kedro run` runs them, and at most those that may follow; then neither
    `kedro run` nor `dvc repro` has anything to do.
    """
    assert stale(project) == by_itself
    did, _ = ran(project.kedro("run"))
    assert by_itself <= did <= by_itself | may_follow
    assert "up to date" in project.dvc("repro").stdout


AFTER_TRAINING = {"mood-registration"}
KEYS: dict[str, tuple[tuple[str, ...], Any, set[str], set[str]]] = {
    "description": (("mood", "description"), "Another", {"mood-evaluation"}, AFTER_TRAINING),
    "card": (("mood", "card", "owner"), "bob@example.com", {"mood-evaluation"}, AFTER_TRAINING),
    "gates": (("mood", "gates"), {}, set(), set()),
    "evaluation": (("mood", "evaluation", "seed"), 1, {"mood-evaluation"}, AFTER_TRAINING),
    "training": (
        ("mood", "training", "seed"), 1, {"mood-fine_tuning", "mood-evaluation", "mood-registration"}, set(),
    ),
    "tokenization": (
        ("mood", "tokenization", "max_tokens"), 40, {"mood-tokenization", "mood-evaluation"},
        {"mood-fine_tuning", "mood-registration"},
    ),
    "augmentation": (
        ("mood", "augmentation"), {"kind": "swap"}, {"mood-augmentation", "mood-evaluation"},
        {"mood-tokenization", "mood-fine_tuning", "mood-registration"},
    ),
    "licence": (("tiny", "licence"), "Apache-2.0", {"mood-evaluation"}, AFTER_TRAINING),
    "contract": (
        ("mood", "contract", "max_reject"), 0.06, {"mood-data_cleaning", "tiny-data_cleaning", "mood-evaluation"},
        AFTER_TRAINING,
    ),
}  # fmt: skip


@pytest.mark.parametrize("section", KEYS)
def test_a_key_of_a_section(changing: Versioned, section: str) -> None:
    """Cheap sections; the fast matrix has every key."""
    (name, *path), value, by_itself, may_follow = KEYS[section]
    declared(changing, "backbones" if name == "tiny" else "products", name, *path, value=value)
    check(changing, by_itself, may_follow)


def test_a_comment_in_the_code(changing: Versioned) -> None:
    """The stages with this file run; what they make is as before, so later ones are skipped."""
    path = changing.root / "src/modelmill/cleaning/split.py"
    path.write_text(path.read_text(encoding="utf-8") + "# a comment\n", encoding="utf-8")
    check(changing, {"mood-data_cleaning", "tiny-data_cleaning"})


def test_an_output_that_is_altered_or_gone_comes_back(changing: Versioned) -> None:
    """From DVC's cache, without a node that runs, and nothing else changes."""
    tokens = next(path for path in sorted((changing.root / "data/05_model_input/mood/tokens").rglob("*.*")))
    model = changing.root / "data/06_models/mood/model/config.json"
    before = tokens.read_bytes(), model.read_bytes()
    tokens.write_bytes(before[0] + b" ")
    model.unlink()
    done = changing.kedro("run")
    assert "Completed node" not in done.stdout + done.stderr
    assert (tokens.read_bytes(), model.read_bytes()) == before
    assert ran(changing.kedro("run"))[0] == set()
    assert "up to date" in changing.dvc("repro").stdout


def test_a_global_that_a_declaration_takes(changing: Versioned) -> None:
    """`${globals:...}` counts as the key that takes it."""
    globals_file = changing.root / "conf/base/globals.yml"
    globals_file.write_text("resamples: 100\nunused: 1\n")
    declared(changing, "products", "mood", "evaluation", "bootstrap", value="${globals:resamples}")
    check(changing, set())
    globals_file.write_text("resamples: 100\nunused: 2\n")
    check(changing, set())
    globals_file.write_text("resamples: 110\nunused: 2\n")
    check(changing, {"mood-evaluation"}, AFTER_TRAINING)


def _seed(project: Versioned) -> None:
    declared(project, "products", "mood", "evaluation", "seed", value=7)


def _card(project: Versioned) -> None:
    declared(project, "products", "mood", "card", "owner", value="eve@example.com")


@pytest.mark.parametrize("change", [_seed, _card])
def test_dvc_repro_does_the_same(changing: Versioned, change: Callable[[Versioned], None]) -> None:
    """A change of a declaration runs by `dvc repro`, and `kedro run` has nothing left to do."""
    change(changing)
    done = changing.dvc("repro").stdout
    assert {line.split("'")[1] for line in done.splitlines() if line.startswith("Running stage")} == {
        "sync", "mood-evaluation", "mood-registration",
    }  # fmt: skip
    assert ran(changing.kedro("run"))[0] == set()


def test_one_row_of_data(changing: Versioned) -> None:
    """What reads it runs, and all that follows from other records."""
    path = changing.root / "data/01_raw/reviews/pos.txt"
    path.write_text(path.read_text(encoding="utf-8") + "one more lovely book\n", encoding="utf-8")
    changing.dvc("add", "--quiet", "data/01_raw/reviews")
    everything = {row["stage"] for row in json.loads(changing.kedro("dvc", "status", "--json").stdout)["stages"]}
    check(changing, {"mood-data_cleaning", "tiny-data_cleaning"}, everything)
