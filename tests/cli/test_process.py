"""`kedro model` as a process of its own: what it imports, where it writes, how it ends."""

import json
import logging
import subprocess
import sys

import pytest
import yaml

from modelmill.cli.output import logs_to_stderr
from modelmill.registry.events import Registered
from modelmill.registry.store import connected
from tests.cli.conftest import DIGESTS, START, Registry, promoted
from tests.test_architecture import HEAVY

SEVERAL = """
import json, sys
from kedro.framework.cli.cli import main
ends = []
for command in json.loads(sys.argv[1]):
    sys.argv = ["kedro", "model", *command]
    try:
        main()
    except SystemExit as end:
        ends.append(end.code or 0)
print("ends:", ends)
print("heavy:", [name for name in json.loads(sys.stdin.read()) if name in sys.modules])
"""


def run_all(registry: Registry, commands: list[list[str]]) -> tuple[list[int], list[str], str]:
    """Exit codes of commands that Kedro's own `main` runs in one process, heavy imports, and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, json.dumps(commands)], input=json.dumps([*HEAVY, "polars", "numpy"]),
        cwd=registry.project.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    ends, heavy = done.stdout.splitlines()[-2:]
    return json.loads(ends.removeprefix("ends: ")), eval(heavy.removeprefix("heavy: ")), done.stderr


def test_reading_verbs_import_nothing_heavy(registry: Registry) -> None:
    """torch, transformers, lightning, mlflow, numba, kornia, and polars and numpy stay out of list, show, history."""
    registry.say(promoted(1, "staging", START))
    commands = [["list"], ["show", "mood"], ["show", "mood@staging"], ["history", "mood"], ["list", "--json"]]
    commands.append(["history", "mood", "--at", "2026-05-01"])
    ends, heavy, stderr = run_all(registry, commands)
    assert ends == [0] * 6, stderr
    assert heavy == []


def test_each_exit_code(registry: Registry) -> None:
    """0 done, 2 usage, 3 gate, 4 approval missing, 5 conflict, 6 not found, 7 integrity, 8 backend unreachable."""
    registry.say(promoted(1, "staging", START))
    root, desk = registry.project.root, registry.desk
    for env, file, text in (
        ("down", "mlflow.yml", "tracking_uri: http://127.0.0.1:9\n"),
        ("slow", "registry.yml", yaml.safe_dump({"stages": {"production": {"approvals": 0, "soak": "9000w"}}})),
    ):
        (root / "conf" / env).mkdir()
        (root / "conf" / env / file).write_text(text, encoding="utf-8")
    event = Registered(actor="run", time=START, version=1, stage="candidate", digest=DIGESTS[1], files="", run_id=None)
    desk.ledger("edited").transact(lambda _: event)
    with connected(desk.settings) as client:
        client.set_model_version_tag("edited.ledger", "1", "event", event.text()[:-1])
    production = ["promote", "mood@1", "--to", "production", "--as", "ann"]
    commands = {
        0: ["revoke", "mood@3", "--as", "ann", "--dry-run"],
        2: ["promote", "mood@1", "--to", "nowhere", "--as", "ann"],
        3: [*production, "--env", "slow"],
        4: production,
        5: [*production, "--expect-current", "2"],
        6: ["show", "mood@7"],
        7: ["show", "edited"],
        8: ["list", "--env", "down"],
    }
    ends, _, stderr = run_all(registry, list(commands.values()))
    assert ends == list(commands), stderr
    assert "Traceback" not in stderr
    for said in ("has no stage 'nowhere'", "too early", "wants 1 approval(s)", "--expect-current says"):
        assert said in stderr
    for said in ("there is no version 7", "not as it was written", "MLflow at http://127.0.0.1:9 did not"):
        assert said in stderr


def test_stdout_is_the_answer_alone(registry: Registry) -> None:
    """As a user runs it: the JSON can be read, and what is logged is on stderr."""
    done = registry.project.kedro("model", "list", "--json")
    assert json.loads(done.stdout)["models"][0]["name"] == "mood"
    assert "Using 'conf/logging.yml' as logging configuration" in done.stderr


def test_log_handlers_leave_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """Kedro's rich handler, which it takes where there is no conf/logging.yml, and a plain one."""
    from kedro.logging import RichHandler

    logger = logging.getLogger("another.package")
    handlers = [RichHandler(), logging.StreamHandler(sys.stdout)]
    logger.handlers, logger.propagate = handlers, False
    try:
        logs_to_stderr()
        logger.warning("said twice")
    finally:
        logger.handlers, logger.propagate = [], True
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("said twice") == 2
