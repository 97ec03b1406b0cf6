"""The verbs of `kedro model` that only look."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from modelmill.registry.events import Approved, Requested, RolledBack
from modelmill.registry.store import connected
from tests.cli.conftest import DAY, DIGESTS, START, Registry, promoted, says, write_version


@pytest.fixture
def lived(registry: Registry) -> Registry:
    """Version 1 in production on 2 May, version 2 in its place on 4 May by a request, back to version 1 on 6 May."""
    asked = Requested(
        actor="ann", version=2, stage="production", incumbent=1, digest=DIGESTS[2], policy="a" * 64, report="b" * 64,
        time=START + 2 * DAY, expires=START + 9 * DAY,
    )  # fmt: skip
    back = RolledBack(
        actor="eve",
        reason="slow",
        time=START + 5 * DAY,
        version=1,
        stage="production",
        replaces=2,
        retired="archived",
        digest=DIGESTS[1],
    )
    registry.say(
        promoted(1, "staging", START + DAY),
        promoted(1, "production", START + DAY, origin="staging"),
        promoted(2, "staging", START + 2 * DAY),
        asked,
        Approved(actor="bob", request=7, time=START + 2 * DAY, signature="sig"),
        promoted(2, "production", START + 3 * DAY, origin="staging", replaces=1, request=7),
        back,
    )
    return registry


def test_list_has_a_model_and_what_its_stages_hold(lived: Registry) -> None:
    """One row for each model, none for its ledger; the JSON has a schema with a number."""
    answer = lived.json("list")
    assert answer["schema"] == "modelmill.model.list/1"
    (row,) = answer["models"]
    assert row["name"] == "mood"
    assert row["stages"] == {"candidate": 3, "staging": None, "production": 1}
    assert (row["last"]["kind"], row["last"]["actor"]) == ("rolled_back", "eve")
    assert not row["drift"]
    assert not row["unrecorded"]
    assert not row["problems"]
    assert "mood" in lived.run("list").stdout


def test_tables_are_not_cut_off_in_pipes(lived: Registry) -> None:
    """However narrow the terminal says it is: each event is one line, with its time and all of its text."""
    printed = lived.run("history", "mood").stdout
    lines = [line for line in printed.splitlines() if line.startswith("│")]
    assert len(lines) == 10
    assert "production went back from version 2 to version 1" in lines[-1]
    assert "slow" in lines[-1]
    assert "2026-05-06 12:00:00" in lines[-1]


def test_list_and_show_name_what_is_not_as_the_ledger_says(registry: Registry) -> None:
    """A moved alias, and a version that somebody made by hand, are named with what mends them."""
    registry.desk.writer.set_alias("mood", "production", 1)
    registry.desk.writer.add_version("mood", "somewhere", {}, "")
    (row,) = registry.json("list")["models"]
    assert row["drift"] == {"production": {"mlflow": 1, "ledger": None}}
    assert row["unrecorded"] == [4]
    printed = registry.run("show", "mood").stdout
    assert "alias 'production' is 1, and should be nothing; `kedro model reconcile mood`" in printed
    assert "does not know version 4 yet" in printed


def test_a_model_that_is_gone_is_in_the_list(registry: Registry) -> None:
    """Somebody deleted it in MLflow: its ledger is left, aliases cannot follow it, and that is exit code 7."""
    with connected(registry.desk.settings) as client:
        client.delete_registered_model("mood")
    (row,) = registry.json("list")["models"]
    assert (row["name"], row["stages"]["candidate"], row["gone"]) == ("mood", 3, [1, 2, 3])
    printed = registry.run("list").stdout
    assert "version 1, 2, 3 is gone from MLflow: `kedro model verify mood`" in printed
    assert "sets it right" not in printed
    assert "gone from MLflow" in registry.json("reconcile", code=7)["message"]


def test_show_has_figures_with_intervals_by_version(lived: Registry) -> None:
    """Newest first; the figures are those of the version's run."""
    answer = lived.json("show", "mood")
    assert answer["schema"] == "modelmill.model.show/1"
    assert [row["version"] for row in answer["versions"]] == [3, 2, 1]
    assert answer["versions"][1]["stage"] == "archived"
    assert answer["versions"][1]["metrics"]["macro_f1"] == pytest.approx({"value": 0.72, "low": 0.62, "high": 0.82})
    assert "0.720 [0.620, 0.820]" in lived.run("show", "mood").stdout


def test_show_of_a_version_has_its_evidence_and_events(lived: Registry) -> None:
    """What was in production by a rollback shows the report of its promotion, and everything that is about it."""
    answer = lived.json("show", "mood@production")
    assert (answer["schema"], answer["version"]) == ("modelmill.version.show/1", 1)
    assert answer["evidence"]["event"]["kind"] == "rolled_back"
    assert answer["evidence"]["report"] == "b" * 64
    assert answer["git_commit"] == "c1"
    assert answer["baselines"]["linear"]["macro_f1"]["value"] == pytest.approx(0.7)
    assert [event["seq"] for event in answer["events"]] == [1, 4, 5, 9, 10]
    assert [event["seq"] for event in lived.json("show", "mood@2")["events"]] == [2, 6, 7, 8, 9, 10]


LIVE: dict[str, tuple[int, str, list[tuple[str, str]]] | None] = {
    "2026-05-01": None,
    "2026-05-02T11:59": None,
    "2026-05-02T12:00": (1, "ann", []),
    "2026-05-04": (2, "ann", [("bob", "invalid")]),
    "2026-05-06T14:00+02:00": (1, "eve", []),
}


def test_history_at_a_time_is_what_was_live_then(lived: Registry) -> None:
    """A day means its end, a time without an offset is UTC; who put it there, and on what evidence."""
    (lived.project.root / "conf/base/allowed_signers").touch()
    for at, expected in LIVE.items():
        answer = lived.json("history", "mood", "--at", at)
        assert answer["schema"] == "modelmill.model.history_at/1"
        rows = {row["stage"]: row for row in answer["stages"]}
        if expected is None:
            assert "production" not in rows, at
            continue
        row = rows["production"]
        approvals = [(one["actor"], one["signature"]) for one in row["approvals"]]
        assert (row["version"], row["actor"], approvals) == expected, at
        assert (row["report"], row["policy"], row["digest"]) == ("b" * 64, "a" * 64, DIGESTS[expected[0]])


@pytest.mark.parametrize(("keys", "worth", "said"), [
    (True, "invalid", "bob (signature invalid)"), (False, "unchecked", "bob (with a signature)"),
])  # fmt: skip
def test_a_forged_signature_is_not_shown_as_one(
    lived: Registry, modules: Callable[..., None], tmp_path: Path, keys: bool, worth: str, said: str
) -> None:
    """In `show NAME@V`, `history --at` and exports it is checked; without keys nothing is claimed of it."""
    if keys:
        (lived.project.root / "conf/base/allowed_signers").touch()
    lived.say(promoted(2, "production", START + 6 * DAY, origin="archived", replaces=1, request=7))
    subject = write_version(tmp_path / "files", 2)
    modules("fetch", fetch=lambda *_: subject)
    (approval,) = lived.json("show", "mood@production")["evidence"]["approvals"]
    assert (approval["actor"], approval["signature"]) == ("bob", worth)
    assert said in lived.run("show", "mood@production").stdout
    assert said in lived.run("history", "mood", "--at", "2026-05-04").stdout
    exported = lived.run("export", "mood@production", "--format", "card").stdout
    assert said[5:-1] in exported
    assert "approved, with a signature" in lived.run("history", "mood").stdout


def test_a_time_before_everything_holds_nothing(lived: Registry) -> None:
    """No row, and a sentence that says so."""
    assert lived.json("history", "mood", "--at", "2020-01-01")["stages"] == []
    assert "No stage held anything then." in lived.run("history", "mood", "--at", "2020-01-01").stdout


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("moood", "did you mean 'mood'"),
        ("mood@9", "those that there are: 1, 2, 3"),
        ("mood@live", "a stage (candidate, staging, production)"),
        ("mood@staging", "no version of 'mood' is in 'staging'"),
    ],
)
def test_what_is_not_there_is_exit_code_6(registry: Registry, ref: str, said: str) -> None:
    """And the message names what there is."""
    done = registry.run("show", ref)
    assert done.exit_code == 6
    assert said in done.stderr


def test_check_prints_every_gate_and_ends_with_3_when_one_stops(
    registry: Registry, modules: Callable[..., None]
) -> None:
    """The report is on stdout in both cases; without a version the newest candidate is checked."""
    assert registry.json("check", "mood", "--to", "staging")["version"] == 3
    modules("judge", judge=says("fail"))
    answer = registry.json("check", "mood@1", "--to", "staging", code=3)
    assert (answer["schema"], answer["passed"]) == ("modelmill.model.check/1", False)
    assert answer["results"][0]["reason"] == "macro_f1 is 0.71"
    done = registry.run("check", "mood@1", "--to", "staging")
    assert "May not enter staging" in done.stdout
    assert "mood@1 does not pass the gates of 'staging':\n- floors: fail: macro_f1 is 0.71" in done.stderr
    assert registry.events() == ["registered"] * 3


def test_check_says_which_approvals_and_times_are_missing(registry: Registry) -> None:
    """Beside the gates, whose answer decides the exit code: version 2 passes them, and nobody approved it."""
    rules = yaml.safe_load(Path("conf/base/registry.yml").read_text(encoding="utf-8"))
    rules["stages"]["production"] |= {"soak": "1h", "cool_down": "1h"}
    Path("conf/base/registry.yml").write_text(yaml.safe_dump(rules, sort_keys=False), encoding="utf-8")
    registry.say(promoted(2, "staging", START))
    answer = registry.json("check", "mood@2", "--to", "production")
    assert answer["passed"]
    assert [(one["condition"], one["met"]) for one in answer["conditions"]] == [
        ("approvals", False), ("soak", True), ("cool_down", True),
    ]  # fmt: skip
    assert "ask for them by `kedro model request" in answer["conditions"][0]["reason"]
    printed = registry.run("check", "mood@2", "--to", "production").stdout
    assert "The gates say yes, but approvals not met: may not yet enter production" in printed
    assert registry.run("request", "mood@2", "--to", "production").exit_code == 0
    assert registry.run("approve", "mood@2", "--to", "production", actor="bob").exit_code == 0
    answer = registry.json("check", "mood@2", "--to", "production")
    assert all(one["met"] for one in answer["conditions"])
    assert "May enter production" in registry.run("check", "mood@2", "--to", "production").stdout
    assert registry.json("check", "mood", "--to", "staging")["conditions"] == []


@pytest.fixture
def with_files(lived: Registry, modules: Callable[..., None], tmp_path: Path) -> Registry:
    """The registry, and files of its versions."""
    subjects = {number: write_version(tmp_path / str(number), number) for number in DIGESTS}
    modules("fetch", fetch=lambda _settings, _name, row, _registered, _folder: subjects[row.number])
    return lived


def test_diff_has_all_figures_and_elsewhere_what_differs(with_files: Registry) -> None:
    """Figures, declaration, data, code and packages of two versions; what is the same is left out."""
    answer = with_files.json("diff", "mood@1", "mood@2")
    assert answer["schema"] == "modelmill.model.diff/1"
    assert [answer[which]["stage"] for which in ("first", "second")] == ["production", "archived"]
    assert [figure["value"] for figure in answer["metrics"]["macro_f1"]] == pytest.approx([0.71, 0.72])
    assert answer["declaration"] == {"mood.training.seed": [1, 2]}
    assert answer["data"] == {"splits.train.sha256": ["1" * 64, "2" * 64]}
    assert answer["code"] == {"git_commit": ["c1", "c2"]}
    assert answer["packages"] == {"torch": ["2.13.1", "2.13.2"]}
    assert answer["backbone"] == answer["labels"] == answer["gates"] == {}
    printed = with_files.run("diff", "mood@1", "mood@2").stdout
    assert "0.710 [0.610, 0.810]" in printed
    assert "labels: no difference" in printed


def test_export_writes_a_document_to_stdout_or_a_file(with_files: Registry, tmp_path: Path) -> None:
    """The three formats; with --json in an envelope."""
    bom = json.loads(with_files.run("export", "mood@1", "--format", "mlbom").stdout)
    assert bom["metadata"]["component"]["name"] == "mood"
    done = with_files.run("export", "mood@1", "--format", "card", "--output", str(tmp_path / "card.md"))
    assert done.stdout == ""
    assert (tmp_path / "card.md").read_text(encoding="utf-8").startswith("# Mood of reviews")
    answer = with_files.json("export", "mood@1", "--format", "annex4")
    assert answer["schema"] == "modelmill.model.export/1"
    assert answer["text"].startswith("# Technical documentation: mood, version 1")


def test_verify_ends_with_7_when_something_is_wrong(registry: Registry, modules: Callable[..., None]) -> None:
    """Problems are on stdout, by model; without one the exit code is 0."""
    from dataclasses import make_dataclass

    problem = make_dataclass("Problem", ["what", "where", "expected", "todo"])
    modules("fetch", model_folder=lambda *_: Path("."), evidence_folder=lambda *_: Path("."))
    modules("verify", verify=lambda *_: [])
    assert registry.json("verify")["problems"] == {"mood": []}
    assert "mood: all is as it was written" in registry.run("verify", "mood").stdout
    modules("verify", verify=lambda *_: [problem("a byte", "mood@1", "another", "bring it back")])
    assert registry.json("verify", "mood", code=7)["problems"]["mood"][0]["what"] == "a byte"
    assert "bring it back" in registry.run("verify").stdout


def test_a_damaged_ledger_is_in_the_list_and_ends_with_7(registry: Registry) -> None:
    """Other models can still be seen; nothing is shown of the damaged one as if it were true."""
    row = registry.desk.reader.versions("mood.ledger")[1]
    edited = row.tags["event"].replace('"version":2', '"version":3')
    with connected(registry.desk.settings) as client:
        client.set_model_version_tag("mood.ledger", "2", "event", edited)
    done = registry.run("list")
    assert done.exit_code == 7
    assert "does not follow on the one before" in done.stdout
    assert json.loads(registry.run("list", "--json").stdout)["models"][0]["stages"]["candidate"] is None
    assert registry.run("show", "mood").exit_code == 7
    assert registry.run("rollback", "mood", "--stage", "production").exit_code == 7
