"""A registry on a real MLflow with three versions of a model that nobody trained, and a stand-in for its gates."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from modelmill.registry import notify
from modelmill.registry.desk import Desk
from modelmill.registry.events import Event, Promoted, Registered, now
from modelmill.registry.gates import run as gates_run
from modelmill.registry.store import connected
from modelmill.registry.verbs import Judged, policy_hash
from modelmill.registry.version_files import Subject
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec
from tests.conftest import Project, make_project

STAGES: dict[str, Any] = {
    "stages": {
        "candidate": {},
        "staging": {"from": ["candidate", "archived"], "gates": {"floors": {}}},
        "production": {"from": "staging", "approvals": 1},
        "archived": {"from": ["candidate", "staging"]},
    },
    "retired": "archived",
}
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
DIGESTS = {1: "1" * 64, 2: "2" * 64, 3: "3" * 64}


@dataclass
class Registry:
    """A project, and the commands run in this process."""

    project: Project
    desk: Desk
    delivered: list[str]

    def run(self, *arguments: str, actor: str = "ann") -> Result:
        """A command of `kedro model`."""
        from modelmill.cli import cli

        return CliRunner().invoke(cli, ["model", *arguments], env={"MODELMILL_ACTOR": actor, "COLUMNS": "40"})

    def json(self, *arguments: str, actor: str = "ann", code: int = 0) -> Any:
        """What a command answers with --json."""
        done = self.run(*arguments, "--json", actor=actor)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def events(self) -> list[str]:
        """Kinds of the events in the ledger."""
        return [event.kind for event in self.desk.ledger("mood").read().events]

    def say(self, *said: Event) -> None:
        """Write events and let the aliases follow, past all rules."""
        for event in said:
            self.desk.ledger("mood").transact(lambda _, event=event: event)
        self.desk.act("mood", lambda _: None)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with an MLflow that holds three versions; tests copy it."""
    project = make_project(tmp_path_factory.mktemp("shelf") / "project")
    (project.root / "conf/base/registry.yml").write_text(yaml.safe_dump(STAGES, sort_keys=False), encoding="utf-8")
    settings = MlflowSpec().anchored(project.root)
    desk = Desk(settings, RegistrySpec.model_validate(STAGES))
    with connected(settings) as client:
        experiment = client.create_experiment("modelmill", str(project.root / "mlartifacts"))
        client.create_registered_model("mood")
        for number, digest in DIGESTS.items():
            run = client.create_run(experiment, tags={"git_commit": f"c{number}", "git_dirty": "false"}).info.run_id
            for key, value in {"": 0.7, ".low": 0.6, ".high": 0.8}.items():
                client.log_metric(run, f"test/macro_f1{key}", value + number / 100)
                client.log_metric(run, f"baseline/linear/macro_f1{key}", value)
            client.set_terminated(run)
            client.create_model_version("mood", f"runs:/{run}/model", run, tags={"digest": digest, "product": "mood"})
    for number, row in enumerate(desk.reader.versions("mood"), 1):
        event = Registered(
            actor="run",
            time=START,
            version=number,
            stage="candidate",
            digest=DIGESTS[number],
            files="f" * 64,
            run_id=row.run_id,
        )
        desk.act("mood", lambda _, event=event: event)
    return project


def promoted(version: int, stage: str, at: datetime, **more: Any) -> Promoted:
    """A promotion that nobody judged."""
    given: dict[str, Any] = {"origin": "candidate", "replaces": None, "retired": "archived", "digest": DIGESTS[version]}
    given |= {"policy": "a" * 64, "report": "b" * 64, "actor": "ann", "reason": "tried", **more}
    return Promoted(version=version, stage=stage, time=at, **given)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put something in the place of a module's functions."""

    def replaced(name: str, **functions: Any) -> None:
        module = ModuleType(f"modelmill.registry.{name}")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return replaced


@pytest.fixture
def registry(shelf: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: Callable[..., None]) -> Registry:
    """The registry with gates that say yes, and an outbox that notes what it is asked for."""
    from kedro.framework.project import configure_project

    root = tmp_path / "project"
    shutil.copytree(shelf.root, root)
    monkeypatch.chdir(root)
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    configure_project("modelmill")
    desk = Desk(MlflowSpec().anchored(root), RegistrySpec.model_validate(STAGES))
    delivered: list[str] = []
    monkeypatch.setattr(notify, "deliver", lambda _, name: delivered.append(name))
    modules("intact", check_intact=lambda *_: None)
    modules("judge", judge=says("pass"), known_report=known_report)
    return Registry(Project(root), desk, delivered)


REPORTS: dict[str, tuple[Judged, gates_run.GateReport]] = {}
"""By hash, what the judges of these tests said."""


def says(status: gates_run.Status) -> Callable[..., tuple[Judged, gates_run.GateReport]]:
    """A judge with one gate that answers so."""

    def judge(
        desk: Desk, name: str, version: int, stage: str, declared: Any, *, keep: bool
    ) -> tuple[Judged, gates_run.GateReport]:
        assert declared.test.name == "test.parquet"
        floors = declared.product.gates.get(stage, [])
        held = None if stage == "archived" else desk.state(name).holder(stage)
        policy = policy_hash(desk.spec, stage, floors)
        results = [gates_run.Result("floors", True, status, "macro_f1 is 0.71", {"macro_f1": 0.71})]
        time = now().isoformat()
        report = gates_run.GateReport(name, version, DIGESTS[version], stage, held, policy, time, results)
        judged = REPORTS[report.hash] = Judged(version, stage, held, policy, report.hash, report.passed), report
        return judged

    return judge


def known_report(desk: Desk, name: str, version: int, stage: str, _: Any) -> Any:
    """The report of an open request."""
    asked = desk.state(name).request_for(version, stage, now())
    return REPORTS[asked.event.report] if asked else None


def write_version(folder: Path, number: int) -> Subject:
    """Files of a version, as MLflow and the evaluation leave them."""
    model, evidence = folder / "model", folder / "evidence"
    (model / "artifacts/model").mkdir(parents=True)
    (evidence / "gates").mkdir(parents=True)
    figure = {"value": 0.7 + number / 100, "low": 0.6, "high": 0.8}
    own = {
        "description": "Mood of reviews",
        "task": "text_classification",
        "backbone": "tiny",
        "training": {"seed": number},
    }
    texts: dict[Path, Any] = {
        evidence / "evaluation.json": {
            "metric": "macro_f1", "items": 40, "metrics": {"macro_f1": figure}, "leaks": {"in_training": 0},
            "labels": {"pos": {"support": 20, "precision": figure, "recall": figure, "f1": figure}},
        },
        evidence / "lineage.json": {
            "sources": {"reviews/pos.txt": "5" * 64},
            "splits": {"train": {"records": 160, "sha256": str(number) * 64}},
            "backbone": {"digest": "6" * 64, "corpus_sha256": "7" * 64, "from": {"taken_from": "package://x/y"}},
        },
        evidence / "config.yml": {"mood": own, "tiny": {"licence": "Apache-2.0", "description": "Tiny"}},
        evidence / "gates/staging-b.json": {
            "time": "2026-05-02T00:00:00+00:00", "stage": "staging",
            "results": [{"gate": "floors", "status": "pass", "reason": "macro_f1 is 0.71"}],
        },
        model / "artifacts/model/product.json": {"labels": ["neg", "pos"]},
        model / "artifacts/model/config.json": {"model_type": "modernbert", "architectures": ["ModernBertForSequence"]},
        model / "MLmodel": {"signature": {"inputs": '[{"name": "text"}]', "outputs": '[{"name": "label"}]'}},
    }  # fmt: skip
    for path, value in texts.items():
        path.write_text(json.dumps(value), encoding="utf-8")
    (evidence / "model_card.md").write_text("# Mood of reviews\n", encoding="utf-8")
    (model / "requirements.txt").write_text(f"torch==2.13.{number}\nscikit_learn==1.9.0\n", encoding="utf-8")
    return Subject("mood", number, DIGESTS[number], "f" * 64, f"run{number}", model, evidence)


DAY = timedelta(days=1)
