"""The verbs of `kedro model` that change something."""

from collections.abc import Callable
from typing import Any

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.project import settings

from modelmill.errors import IntegrityError
from modelmill.registry import approvals, notify
from modelmill.registry.register import adopt
from modelmill.registry.store import connected
from tests.cli.conftest import DAY, START, Registry, known_report, promoted, says


def test_the_way_to_production(registry: Registry) -> None:
    """Promote, request, approve, promote: an event for each, aliases that follow, and the outbox is delivered."""
    staged = registry.json("promote", "mood@2", "--to", "staging", "--reason", "best so far")
    assert (staged["schema"], staged["changed"], staged["dry_run"]) == ("modelmill.model.promote/1", True, False)
    assert (staged["event"]["kind"], staged["event"]["reason"]) == ("promoted", "best so far")
    assert staged["aliases"] == {"staging": {"from": None, "to": 2}}
    assert staged["gates"]["hash"] == staged["event"]["report"]
    assert registry.run("promote", "mood@staging", "--to", "production").exit_code == 4
    assert registry.json("request", "mood@staging", "--to", "production")["event"]["version"] == 2
    assert registry.json("approve", "mood@2", actor="bob")["event"]["actor"] == "bob"
    done = registry.json("promote", "mood@2", "--to", "production")
    assert done["aliases"] == {"production": {"from": None, "to": 2}, "staging": {"from": 2, "to": None}}
    assert registry.desk.reader.aliases("mood") == {"candidate": 3, "production": 2}
    assert registry.events()[3:] == ["promoted", "requested", "approved", "promoted"]
    assert registry.delivered == ["mood"] * 4


def test_running_again_changes_nothing_and_says_so(registry: Registry) -> None:
    """Exit code 0, no event, no gate is asked, and a sentence."""
    steps = [
        (["promote", "mood@2", "--to", "staging"], "ann", "mood@2 is in 'staging' already"),
        (["request", "mood@2", "--to", "production"], "ann", "was asked for already"),
        (["approve", "mood@2"], "bob", "'bob' approved mood@2 for 'production' already"),
        (["promote", "mood@2", "--to", "production"], "ann", "mood@2 is in 'production' already"),
        (["approve", "mood@2"], "bob", "'bob' approved mood@2 for 'production' already"),
        (["revoke", "mood@1"], "ann", "mood@1 was withdrawn already"),
    ]
    for arguments, actor, said in steps:
        registry.run(*arguments, actor=actor)
        before = registry.events()
        again = registry.run(*arguments, actor=actor)
        assert again.exit_code == 0, again.output
        assert said in again.stdout
        assert "nothing was changed" in again.stdout
        answer = registry.json(*arguments, actor=actor)
        assert (answer["changed"], answer["event"]) == (False, None)
        assert said in answer["message"]
        assert registry.events() == before


def test_a_rejected_request_is_over(registry: Registry) -> None:
    """Rejecting twice is rejecting once; nothing can be approved any more."""
    registry.run("promote", "mood@2", "--to", "staging")
    registry.run("request", "mood@2", "--to", "production")
    assert registry.json("reject", "mood@2", "--reason", "no", actor="bob")["event"]["kind"] == "rejected"
    assert registry.json("reject", "mood@2", actor="bob")["changed"] is False
    assert registry.run("approve", "mood@2", actor="bob").exit_code == 6
    assert registry.run("promote", "mood@2", "--to", "production").exit_code == 4


@pytest.fixture
def replaced(registry: Registry) -> Registry:
    """Versions 1, 2 and 3 were in production, one after the other."""
    said = [promoted(n, "production", START + n * DAY, replaces=n - 1 or None) for n in (1, 2, 3)]
    registry.say(*said)
    return registry


def test_a_rollback_goes_back_once_however_often_it_is_tried(replaced: Registry) -> None:
    """Further back goes only who names the version that is there now; and that, too, only once."""
    back = ["rollback", "mood", "--stage", "production"]
    assert replaced.json(*back)["aliases"] == {"production": {"from": 3, "to": 2}}
    again = replaced.json(*back)
    assert again["changed"] is False
    assert "from version 3 to version 2 already; to go back further add --expect-current 2" in again["message"]
    assert replaced.json(*back, "--expect-current", "3")["changed"] is False
    assert replaced.json(*back, "--expect-current", "2")["aliases"] == {"production": {"from": 2, "to": 1}}
    assert replaced.json(*back, "--expect-current", "2")["changed"] is False
    assert replaced.run(*back, "--expect-current", "1").exit_code == 6
    assert replaced.desk.reader.aliases("mood") == {"production": 1}


def test_a_rollback_after_a_promotion_goes_back_again(replaced: Registry) -> None:
    """What was promoted after a rollback can be rolled back like any other."""
    back = ["rollback", "mood", "--stage", "production"]
    replaced.run(*back)
    replaced.say(promoted(3, "production", START + 9 * DAY, origin="archived", replaces=2))
    assert replaced.json(*back)["aliases"] == {"production": {"from": 3, "to": 2}}


def test_revoke_leaves_a_stage_empty_only_when_told(registry: Registry) -> None:
    """A version without a predecessor stays unless --leave-empty says otherwise."""
    registry.say(promoted(1, "production", START + DAY))
    assert registry.run("revoke", "mood@production").exit_code == 2
    answer = registry.json("revoke", "mood@production", "--leave-empty", "--expect-current", "1")
    assert answer["aliases"] == {"production": {"from": 1, "to": None}}
    assert registry.json("revoke", "mood@1", "--expect-current", "1")["changed"] is False


def test_a_dry_run_prints_the_plan_and_changes_nothing(replaced: Registry) -> None:
    """The plan is what is then done; neither ledger nor aliases nor outbox move for it."""
    for arguments in (
        ["promote", "mood@2", "--to", "staging"],
        ["request", "mood@2", "--to", "production"],
        ["rollback", "mood", "--stage", "production"],
        ["revoke", "mood@3"],
    ):
        before = replaced.events(), replaced.desk.reader.aliases("mood"), list(replaced.delivered)
        plan = replaced.json(*arguments, "--dry-run")
        assert "A plan only; nothing was changed." in replaced.run(*arguments, "--dry-run").stdout
        assert (replaced.events(), replaced.desk.reader.aliases("mood"), replaced.delivered) == before
        done = replaced.json(*arguments)
        assert (plan["dry_run"], plan["changed"], done["changed"]) == (True, False, True)
        assert plan["aliases"] == done["aliases"]
        given = {"id", "seq", "prev", "time", "report", "expires"}
        planned, written = ({k: v for k, v in one["event"].items() if k not in given} for one in (plan, done))
        assert planned == written


def test_a_dry_run_of_reconcile_sets_nothing_right(registry: Registry) -> None:
    """It says which alias would move; the alias stays."""
    registry.desk.writer.set_alias("mood", "production", 1)
    plan = registry.json("reconcile", "--dry-run")
    assert plan["models"]["mood"]["aliases"] == {"production": {"from": 1, "to": None}}
    assert registry.desk.reader.aliases("mood")["production"] == 1
    assert registry.events() == ["registered"] * 3
    assert registry.delivered == []


def test_what_the_caller_expects_must_be_there(replaced: Registry) -> None:
    """--expect-current is exit code 5 when the stage holds another version, for every verb."""
    replaced.say(promoted(2, "staging", START + 9 * DAY, origin="archived"))
    for arguments in (
        ["promote", "mood@1", "--to", "staging", "--expect-current", "none"],
        ["request", "mood@2", "--to", "production", "--expect-current", "2"],
        ["rollback", "mood", "--stage", "production", "--expect-current", "none"],
        ["revoke", "mood@2", "--expect-current", "3"],
    ):
        done = replaced.run(*arguments)
        assert done.exit_code == 5, done.output
        assert "nothing was changed" in done.stderr
    assert replaced.run("promote", "mood@1", "--to", "staging", "--expect-current", "two").exit_code == 2
    assert replaced.json("promote", "mood@1", "--to", "staging", "--expect-current", "2")["changed"]


def test_any_number_of_versions_can_be_put_aside(registry: Registry) -> None:
    """The retired stage has no alias, and who enters it replaces nobody."""
    registry.say(promoted(1, "archived", START))
    done = registry.json("promote", "mood@2", "--to", "archived")
    assert (done["event"]["replaces"], done["aliases"]) == (None, {})
    assert [row["stage"] for row in registry.json("show", "mood")["versions"]] == ["candidate", "archived", "archived"]


def test_gates_that_say_no_stop_promotion_and_request(registry: Registry, modules: Callable[..., None]) -> None:
    """Exit code 3, the reasons on stderr, nothing in the ledger."""
    modules("judge", judge=says("fail"), known_report=lambda *_: None)
    for verb in ("promote", "request"):
        done = registry.run(verb, "mood@1", "--to", "staging")
        assert done.exit_code == 3
        assert "- floors: fail: macro_f1 is 0.71" in done.stderr
    assert registry.events() == ["registered"] * 3


def test_a_refusal_is_json_too(registry: Registry, modules: Callable[..., None]) -> None:
    """One document on stdout, the sentence on stderr, and the exit code; of gates, what each of them said."""
    modules("judge", judge=says("fail"), known_report=lambda *_: None)
    stopped = registry.json("promote", "mood@1", "--to", "staging", code=3)
    assert (stopped["schema"], stopped["code"], stopped["kind"]) == ("modelmill.error/1", 3, "gate")
    assert [(one["gate"], one["status"]) for one in stopped["gates"]] == [("floors", "fail")]
    for arguments, code, kind in (
        (["promote", "mood@1", "--to", "nowhere"], 2, "transition"),
        (["rollback", "mood", "--stage", "production", "--expect-current", "3"], 5, "conflict"),
        (["approve", "mood@1"], 6, "not_found"),
        (["gc", "--older-than", "soon"], 2, "usage"),
    ):
        refused = registry.json(*arguments, code=code)
        assert (refused["code"], refused["kind"], "gates" in refused) == (code, kind, False)
        assert refused["message"].splitlines()[0] in registry.run(*arguments).stderr


def test_a_request_that_was_judged_is_not_judged_again(registry: Registry, modules: Callable[..., None]) -> None:
    """After the approvals the known report counts, and the gates stay unasked."""
    registry.run("promote", "mood@2", "--to", "staging")
    requested = registry.json("request", "mood@2", "--to", "production")["event"]
    registry.run("approve", "mood@2", actor="bob")
    modules("judge", judge=says("fail"), known_report=known_report)
    done = registry.json("promote", "mood@2", "--to", "production")
    assert done["event"]["request"] == requested["seq"]
    assert done["event"]["report"] == requested["report"]


def test_an_approval_is_signed_by_the_key_that_is_given(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature goes into the event; an unsigned approval before it does not stand in its way."""
    key = registry.project.root / "key"
    key.write_text("secret", encoding="utf-8")
    for name, function in {
        "sign_approval": lambda root, spec, name, asked, actor, key: f"{actor} signs {asked.event.seq} by {key.name}",
        "verified": lambda root, spec, name: lambda request, approval: approval.signature == "bob signs 5 by key",
    }.items():
        monkeypatch.setattr(approvals, name, function)
    registry.run("promote", "mood@2", "--to", "staging")
    registry.run("request", "mood@2", "--to", "production")
    assert registry.json("approve", "mood@2", actor="bob")["event"]["signature"] is None
    assert (
        registry.json("approve", "mood@2", "--key", str(key), actor="bob")["event"]["signature"] == "bob signs 5 by key"
    )
    assert registry.json("promote", "mood@2", "--to", "production")["changed"]
    assert "bob (signature verified)" in registry.run("show", "mood@production").stdout


def test_who_acts_comes_from_option_variable_or_git(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order; without any of them the message says what to do."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(registry.project.root / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(registry.project.root.parent))
    arguments = ["promote", "mood@2", "--to", "staging", "--dry-run"]
    assert registry.json(*arguments, "--as", "carl")["event"]["actor"] == "carl"
    assert registry.json(*arguments)["event"]["actor"] == "ann"
    nobody = registry.run(*arguments, actor="")
    assert nobody.exit_code == 2
    assert "--as NAME" in nobody.stderr
    (registry.project.root / "gitconfig").write_text("[user]\n\temail = dora@example.com\n", encoding="utf-8")
    assert registry.json(*arguments, actor="")["event"]["actor"] == "dora@example.com"


def test_a_model_without_a_declaration_is_named(registry: Registry) -> None:
    """Its gates are not known; it can still be rolled back."""
    (registry.project.root / "conf/base/products/mood.yml").unlink()
    other = {"sad": {"task": "text_classification", "source": {"files": "x.csv"}, "backbone": "tiny"}}
    registry.project.declare("products", other)
    registry.project.declare("backbones", {"tiny": {"model": "data/tiny"}})
    done = registry.run("promote", "mood@2", "--to", "staging")
    assert done.exit_code == 2
    assert "no product of this name is declared" in done.stderr
    registry.say(promoted(1, "staging", START), promoted(2, "staging", START, replaces=1))
    assert registry.run("rollback", "mood", "--stage", "staging").exit_code == 0


def test_only_reconcile_writes_down_versions_without_an_event(registry: Registry) -> None:
    """Another process may be about to register them; a verb, and its plan, say what to do."""
    registry.desk.writer.add_version("mood", "somewhere", {}, "")
    for plan in ([], ["--dry-run"]):
        done = registry.run("promote", "mood@4", "--to", "staging", *plan)
        assert done.exit_code == 6
        assert "`kedro model reconcile mood` writes it down" in done.stderr
    assert registry.run("promote", "mood@2", "--to", "staging").exit_code == 0
    assert registry.events() == [*["registered"] * 3, "promoted"]


def test_a_deleted_ledger_is_an_error_until_a_new_one_is_wanted(
    registry: Registry, modules: Callable[..., None]
) -> None:
    """No verb takes the alias of production away by itself; `--new-ledger` does, and says so, also as a plan."""
    registry.say(promoted(1, "production", START + DAY))
    with connected(registry.desk.settings) as client:
        client.delete_registered_model("mood.ledger")
    assert "'production' is version 1" in registry.json("list", code=7)["models"][0]["problems"][0]
    for verb in ("reconcile", "reconcile --dry-run", "promote mood@2 --to staging", "revoke mood@2"):
        done = registry.run(*verb.split())
        assert done.exit_code == 7, done.output
        assert "kedro model reconcile mood --new-ledger" in done.stderr
    with pytest.raises(IntegrityError, match="it is empty"):
        adopt(registry.desk, "mood", "ann")
    assert registry.desk.reader.aliases("mood") == {"candidate": 3, "production": 1}
    assert registry.events() == []
    modules("register", adopt=lambda *_: [])
    again = ["reconcile", "mood", "--new-ledger"]
    assert registry.run(*again[::2]).exit_code == 2
    plan = registry.json(*again, "--dry-run")["models"]["mood"]
    assert (plan["adopted"], plan["aliases"]) == ([1, 2, 3], {"production": {"from": 1, "to": None}})
    assert registry.events() == []
    done = registry.json(*again)["models"]["mood"]
    assert done["event"]["aliases"] == {"production": [1, None]}
    assert done["event"]["reason"] == "a new ledger: the one before is gone"
    assert "production" not in registry.desk.reader.aliases("mood")
    assert registry.json(*again)["models"]["mood"]["event"] is None


def test_reconcile_sets_aliases_right_and_writes_it_down(registry: Registry) -> None:
    """The second time there is nothing to do; both times the outbox is delivered."""
    registry.desk.writer.set_alias("mood", "production", 1)
    done = registry.json("reconcile")["models"]["mood"]
    assert done["aliases"] == {"production": {"from": 1, "to": None}}
    assert done["event"]["kind"] == "reconciled"
    assert "mood: nothing to set right" in registry.run("reconcile", "mood").stdout
    assert registry.delivered == ["mood", "mood"]
    assert "production 1 -> nothing" in registry.run("history", "mood").stdout


def test_a_verb_writes_down_who_moved_what(replaced: Registry, caplog: pytest.LogCaptureFixture) -> None:
    """Before its own event, and says so; a plan leaves it."""
    replaced.desk.writer.set_alias("mood", "production", 1)
    assert replaced.run("revoke", "mood@2", "--dry-run").exit_code == 0
    assert replaced.events()[-1] == "promoted"
    assert replaced.json("revoke", "mood@2")["aliases"] == {"production": {"from": 1, "to": 3}}
    assert replaced.events()[-2:] == ["reconciled", "revoked"]
    assert "aliases of 'mood' had been moved, and are set right: production 1 -> 3 (event 7)" in caplog.text


def test_gc_passes_the_age_and_says_what_went(registry: Registry, modules: Callable[..., None]) -> None:
    """Thirty days unless told otherwise."""
    ages: list[Any] = []

    def collect(_: Any, name: str, by: Any, age: Any, *, dry_run: bool) -> list[int]:
        ages.append((name, by.actor, age / DAY, dry_run))
        return [1]

    modules("collect", collect=collect, why_kept=lambda *_: {2: "it is too young"})
    plan = registry.json("gc", "--dry-run")
    assert (plan["deleted"], plan["kept"]) == ({"mood": [1]}, {"mood": {"2": "it is too young"}})
    assert "mood: version 2 is kept: it is too young" in registry.run("gc", "--dry-run").stdout
    assert "mood: version 1 was deleted" in registry.run("gc", "mood", "--older-than", "12h").stdout
    assert ages == [("mood", "ann", 30.0, True)] * 2 + [("mood", "ann", 0.5, False)]
    assert registry.run("gc", "--older-than", "soon").exit_code == 2


class Listener:
    """A class among the project's HOOKS."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, int]] = []

    @hook_impl
    def on_promoted(self, event: dict[str, Any], name: str, version: int) -> None:
        self.heard.append((name, event["kind"], version))


def test_hooks_of_the_project_hear_of_promotions_and_rollbacks(
    replaced: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once each, with the version that is there now; not of a plan, a repetition, or a stage that is left empty."""
    listener = Listener()
    monkeypatch.setattr(type(settings), "HOOKS", (listener,), raising=False)
    back = ["rollback", "mood", "--stage", "production"]
    replaced.run(*back, "--dry-run")
    replaced.run(*back)
    replaced.run(*back)
    replaced.run("promote", "mood@3", "--to", "staging")
    replaced.run("revoke", "mood@2")
    replaced.run("revoke", "mood@3", "--leave-empty")
    assert listener.heard == [("mood", "rolled_back", 2), ("mood", "promoted", 3), ("mood", "revoked", 1)]


class Broken:
    """A hook with a mistake."""

    @hook_impl
    def on_promoted(self) -> None:
        raise RuntimeError("no network")


def test_a_hook_that_fails_does_not_undo_what_was_done(
    replaced: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback; the stage holds the version, and the command says what was done."""
    monkeypatch.setattr(type(settings), "HOOKS", (Broken(),), raising=False)
    assert replaced.json("rollback", "mood", "--stage", "production")["changed"]
    assert "a hook `on_promoted` failed; the stage holds version 2 all the same" in caplog.text
    assert "no network" in caplog.text


def test_an_outbox_that_cannot_be_delivered_does_not_undo_what_was_done(
    replaced: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning says that `reconcile` delivers it."""
    from modelmill.errors import RegistryError

    def deliver(_: Any, name: str) -> None:
        raise RegistryError(f"nobody listens for {name}")

    monkeypatch.setattr(notify, "deliver", deliver)
    assert replaced.json("rollback", "mood", "--stage", "production")["changed"]
    assert "nobody listens for mood\nIt is in the ledger; `kedro model reconcile mood`" in caplog.text
