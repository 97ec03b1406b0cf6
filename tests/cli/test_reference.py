"""The reference of the commands."""

from click.testing import CliRunner
from kedro.framework.project import configure_project

from modelmill.cli import cli
from modelmill.cli.reference import reference
from modelmill.cli.registry_reference import registry_reference
from modelmill.config import ProductConfigLoader
from modelmill.settings import CONFIG_LOADER_ARGS
from modelmill.versioning.project import invalidation_reference
from tests.conftest import ROOT

MODEL = (
    "list", "show", "check", "request", "approve", "reject", "promote", "rollback", "revoke", "diff", "history",
    "verify", "reconcile", "export", "gc", "reproduce",
)  # fmt: skip
DVC = ("sync", "status", "used-by")
PRODUCT = ("list", "show", "validate", "fetch", "forget", "schema")


def test_the_reference_is_what_the_commands_say() -> None:
    """Stale: run `make docs`."""
    groups = [cli.commands["product"], cli.commands["model"], cli.commands["dvc"]]
    assert (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8") == reference(*groups)
    assert (ROOT / "docs/reference/registry.md").read_text(encoding="utf-8") == registry_reference()


def test_the_reference_of_what_runs_again_is_what_the_plan_says() -> None:
    """Stale: run `make docs`. It is of conf/base alone, whatever a machine has in conf/local."""
    configure_project("modelmill")
    loader = ProductConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    assert (ROOT / "docs/reference/invalidation.md").read_text(encoding="utf-8") == invalidation_reference(loader)


def test_every_verb_is_in_the_reference() -> None:
    """Each command that there is, and each verb that was promised."""
    text = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    for noun, verbs in {"model": MODEL, "product": PRODUCT, "dvc": DVC}.items():
        shown = {name for name, command in cli.commands[noun].commands.items() if not command.hidden}
        assert shown == set(verbs)
        for verb in verbs:
            assert f"### kedro {noun} {verb}\n" in text


def test_every_verb_of_model_has_json_and_every_changing_one_a_plan() -> None:
    """--json everywhere; --dry-run, --reason and --as where something changes."""
    reading = {"list", "show", "check", "diff", "history", "verify", "export"}
    for name, command in cli.commands["model"].commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options, name
        assert ({"--dry-run", "--reason", "--as"} <= options) is (name not in reading), name
        assert command.help, name


def test_help_needs_no_project() -> None:
    """`--help` of every verb works anywhere."""
    for name in cli.commands["model"].commands:
        done = CliRunner().invoke(cli, ["model", name, "--help"])
        assert done.exit_code == 0
        assert "--json" in done.stdout
