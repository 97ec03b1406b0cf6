"""`registry.yml`: overrides, the report of mistakes, and what products and it say of each other."""

from datetime import timedelta
from typing import Any

import pytest
import yaml

from modelmill.config import ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.registry.verbs import policy_hash
from modelmill.settings import CONFIG_LOADER_ARGS
from modelmill.specs.registry import RegistrySpec
from tests.conftest import Project


def loader(project: Project, **options: Any) -> ProductConfigLoader:
    """A loader as Kedro makes it."""
    return ProductConfigLoader(str(project.root / "conf"), **CONFIG_LOADER_ARGS, **options)


def write(project: Project, content: Any, env: str = "base") -> None:
    """Write `registry.yml`; data as YAML in blocks, a key a line."""
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    (project.root / "conf" / env / "registry.yml").write_text(text)


def mistakes(project: Project, **options: Any) -> list[str]:
    """The lines of the report."""
    with pytest.raises(DeclarationError) as caught:
        _ = loader(project, **options).declarations
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


STAGES: dict[str, Any] = {
    "stages": {
        "candidate": {},
        "staging": {"from": "candidate", "gates": {"floors": {}}},
        "archived": {"from": "staging"},
    }
}


def test_an_environment_overrides_single_keys(project: Project) -> None:
    """A team's `registry.yml` names what differs; the rest is as in base."""
    write(project, {"stages": {"production": {"soak": "2d", "gates": {"cost": {"latency": 2}}}}}, env="local")
    rules = loader(project).registry.stages["production"]
    assert (rules.soak, rules.gates.cost.latency, rules.gates.cost.memory) == (timedelta(days=2), 2, 1.25)
    assert rules.approvals == 1


def test_every_mistake_has_its_line(project: Project) -> None:
    """Unknown keys, stages, choices and times, in one report; each with what was expected."""
    write(
        project,
        """stages:
  candidate: {}
  staging:
    from: [candidat, staging]
    aprovals: 1
    soak: 2 weeks
    gates:
      slices: {by: lable}
      non_inferiorty: {}
  archived:
    from: staging
    approvals: 2
    approvers: [ada]
retired: archive
""",
    )
    file = "conf/base/registry.yml"
    found = mistakes(project)
    expected = (
        "did you mean 'approvals'?", "did you mean 'label'?", "did you mean 'non_inferiority'?",
        "stages.staging.soak: expected a time such as `30m`, `12h` or `7d`, got '2 weeks'",
    )  # fmt: skip
    assert [line.partition(": ")[0] for line in found] == [f"{file}:{n}" for n in (5, 6, 8, 9)]
    for text in expected:
        assert sum(text in line for line in found) == 1, text


def test_mistakes_between_stages_have_their_line_too(project: Project) -> None:
    """Stages that are not there, approvals that nobody could give."""
    write(
        project,
        """stages:
  candidate: {}
  staging:
    from: [candidat, staging]
  archived:
    from: staging
    approvals: 2
    approvers: [ada]
retired: archive
""",
    )
    file = "conf/base/registry.yml"
    assert mistakes(project) == [
        f"{file}:4: stages.staging.from[0]: unknown stage 'candidat'; expected one of candidate, archived; "
        "did you mean 'candidate'?",
        f"{file}:4: stages.staging.from[1]: a stage is not entered from itself; expected one of candidate, archived",
        f"{file}:7: stages.archived.approvals: 2 approvals of 1 people: lower it",
        f"{file}:9: retired: 'archive' is no stage behind the first; expected one of staging, archived; "
        "did you mean 'archived'?",
    ]


def test_mistakes_of_all_files_stand_in_one_report(project: Project) -> None:
    """registry.yml, mlflow.yml and a product: three mistakes at once."""
    write(project, {"request_days": 0}, env="local")
    (project.root / "conf/local/mlflow.yml").write_text("experimnt: x\n")
    project.declare("products", {"mood": {"trainning": {}}}, env="local")
    found = mistakes(project)
    assert [line.partition(":")[0] for line in found] == [
        "conf/local/mlflow.yml", "conf/local/products/mood.yml", "conf/local/registry.yml",
    ]  # fmt: skip


def test_a_broken_product_does_not_keep_from_the_registry(project: Project) -> None:
    """Rolling back needs no product."""
    project.declare("products", {"mood": {"trainning": {}}}, env="local")
    assert loader(project).registry.first == "candidate"
    assert loader(project).mlflow.experiment == "modelmill"
    mistakes(project)


def test_a_registry_that_is_not_yaml_is_one_mistake(project: Project) -> None:
    """What a broken file may hold is not reported as missing, and products are not held against it."""
    write(project, "stages: [\n")
    (line,) = mistakes(project)
    assert line.startswith("conf/base/registry.yml:")
    assert "this is not valid YAML" in line
    write(project, "- stages\n")
    assert mistakes(project) == ["conf/base/registry.yml:1: the file must hold keys with their values"]


def test_without_a_registry_the_least_one_is_shown(project: Project) -> None:
    """There is no default; what the message shows is one that works."""
    (project.root / "conf/base/registry.yml").unlink()
    (line,) = mistakes(project)
    assert line.startswith("conf/base/registry.yml: there is no such file")
    write(project, line[line.index("{stages") :])
    assert list(loader(project).registry.stages) == ["candidate", "production", "archived"]


def test_a_gate_without_braces_is_a_mistake(project: Project) -> None:
    """`digest:` is null in YAML, and would be taken for not asked."""
    write(project, "stages:\n  staging:\n    gates:\n      digest:\n", env="local")
    (line,) = mistakes(project)
    assert line.startswith("conf/local/registry.yml:4: stages.staging.gates.digest: `digest: {}` asks this gate")


def test_floors_of_an_unknown_stage(project: Project) -> None:
    """The product's line, the stages there are, and the one that was meant."""
    project.declare("products", {"mood": {"gates": {"prodction": {"metric": "accuracy", "at_least": 1}}}}, env="local")
    (line,) = mistakes(project)
    assert line.startswith("conf/local/products/mood.yml:3: mood.gates.prodction: `registry.yml` has no stage")
    assert line.endswith("expected one of candidate, staging, production, archived; did you mean 'production'?")


def test_floors_that_no_gate_asks(project: Project) -> None:
    """A floor for a stage without the gate `floors` would never be looked at."""
    write(project, STAGES)
    project.declare("products", {"mood": {"gates": {"archived": {"metric": "accuracy", "at_least": 1}}}}, env="local")
    (line,) = mistakes(project)
    assert line.startswith(
        "conf/local/products/mood.yml:3: mood.gates.archived: `registry.yml` does not ask for floors"
    )
    STAGES["stages"]["archived"] = {"from": "staging", "gates": {"floors": {}}}
    write(project, STAGES)
    assert "archived" in loader(project).declarations.products["mood"].gates


@pytest.mark.parametrize("soak", ["0s", "90s", "1.5h", "14d", "52w"])
def test_times_survive_being_written(soak: str) -> None:
    """Kedro's parameters hold the registry as plain data; read again it is the same."""
    spec = RegistrySpec.model_validate({"stages": STAGES["stages"] | {"archived": {"from": "staging", "soak": soak}}})
    assert RegistrySpec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec


def test_a_bare_number_is_no_time() -> None:
    """7 of what?"""
    with pytest.raises(ValueError, match=r"expected a time such as .* got 7"):
        RegistrySpec.model_validate({"stages": STAGES["stages"] | {"archived": {"soak": 7}}})


def test_the_hash_of_the_rules_is_of_the_gates_that_are_asked() -> None:
    """A gate that a later modelmill adds, and nobody asks, does not void open requests."""
    spec = RegistrySpec.model_validate(STAGES)
    assert spec.stages["staging"].gates.model_dump() == {"floors": {"required": True}}
    other = RegistrySpec.model_validate(STAGES | {"request_days": 3})
    stricter = RegistrySpec.model_validate(
        {"stages": STAGES["stages"] | {"staging": {"from": "candidate", "gates": {"floors": {}, "digest": {}}}}}
    )
    hashes = [policy_hash(one, "staging", []) for one in (spec, other, stricter)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_loss_that_is_accepted_need_not_be_found(project: Project) -> None:
    """`slices` looks for losses above its margin only; with its line."""
    write(project, STAGES)
    rule = {"slices": {"margin": 0.05, "detectable": 0.05}}
    write(project, {"stages": {"staging": {"from": "candidate", "gates": rule}}}, env="local")
    (line,) = mistakes(project)
    assert "stages.staging.gates.slices.detectable: 0.05 is not above `margin` 0.05" in line
