"""The product language: defaults, overrides, and the report of all mistakes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader

from modelmill.config import VALIDATORS, ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.settings import CONFIG_LOADER_ARGS
from modelmill.specs import ProductSpec
from modelmill.specs.files import hint
from modelmill.specs.source import ContractSpec, SourceSpec
from tests.conftest import Project


def loader(project: Project, **options: Any) -> ProductConfigLoader:
    """A loader as Kedro makes it."""
    return ProductConfigLoader(str(project.root / "conf"), **CONFIG_LOADER_ARGS, **options)


def test_the_least_declaration_gets_every_default() -> None:
    """Task, source and backbone are enough; all else has a default."""
    spec = ProductSpec.model_validate({"task": "text_classification", "source": {"files": "a.csv"}, "backbone": "b"})
    assert spec.split.train == 0.8
    assert spec.source.root[0].resolved_format == "csv"
    assert ProductSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_parameters_hold_the_resolved_values(project: Project) -> None:
    """Kedro's parameters are the declarations with all defaults, by name."""
    parameters = loader(project)["parameters"]
    assert parameters["mood"]["training"]["max_epochs"] == 4
    shares = {name: parameters["mood"]["split"][name] for name in ("train", "validation", "test")}
    assert shares == {"train": 0.8, "validation": 0.1, "test": 0.1}
    assert parameters["tiny"]["pretraining"]["training"]["max_steps"] == 10


def test_an_environment_overrides_single_keys(project: Project) -> None:
    """`conf/<env>/products` changes the keys it names and no other."""
    project.declare("products", {"mood": {"training": {"max_epochs": 9}}}, env="long")
    product = loader(project, env="long").declarations.products["mood"]
    assert product.training.max_epochs == 9
    assert product.training.batch_tokens == 512


def test_the_command_line_overrides_both(project: Project) -> None:
    """`--params=mood.training.max_epochs=1` wins over base and environment."""
    project.declare("products", {"mood": {"training": {"max_epochs": 9}}}, env="local")
    given = {"mood": {"training": {"max_epochs": 1}}}
    assert loader(project, runtime_params=given).declarations.products["mood"].training.max_epochs == 1


def test_interpolation_works_as_in_other_kedro_files(project: Project) -> None:
    """`${globals:...}` resolves in a product file."""
    (project.root / "conf/base/globals.yml").write_text("epochs: 7\n")
    project.declare("products", {"mood": {"training": {"max_epochs": "${globals:epochs}"}}}, env="local")
    assert loader(project).declarations.products["mood"].training.max_epochs == 7


def test_scientific_notation_is_a_number(project: Project) -> None:
    """`1e-3` is a float, although PyYAML alone would read text."""
    path = project.root / "conf/local/products/mood.yml"
    path.parent.mkdir()
    path.write_text("mood:\n  training: {learning_rate: 1e-3}\n")
    assert loader(project).declarations.products["mood"].training.learning_rate == 0.001


def test_all_mistakes_of_all_files_stand_in_one_report(project: Project) -> None:
    """Three files, three mistakes, one error; each with its own file and line."""
    products = project.root / "conf/base/products"
    (products / "one.yml").write_text("one:\n  task: text_clasification\n  source: {files: a.csv}\n  backbone: tinny\n")
    (products / "two.yml").write_text("two: [unclosed\n")
    (project.root / "conf/base/backbones/three.yml").write_text("three:\n  model: x\n  licens: MIT\n")
    with pytest.raises(DeclarationError) as caught:
        _ = loader(project).declarations
    text = caught.value.message
    assert text.startswith("3 mistakes in the declarations; nothing was run.")
    assert "conf/base/products/one.yml:2: one.task: 'text_clasification' is not known" in text
    assert "conf/base/products/two.yml:" in text
    assert "conf/base/backbones/three.yml:3: three.licens: unknown key" in text
    assert "did you mean 'licence'?" in text


def test_a_section_with_a_mistake_hides_no_other(project: Project) -> None:
    """An unknown key, an unknown backbone, two unknown metrics in one product: four mistakes at once."""
    changes = {"trainning": {}, "backbone": "tinny", "evaluation": {"metric": "f1"}}
    project.declare(
        "products", {"mood": changes | {"gates": {"production": {"metric": "auc", "at_least": 1}}}}, env="local"
    )
    with pytest.raises(DeclarationError, match=r"^4 mistakes") as caught:
        _ = loader(project).declarations
    for word in ("trainning: unknown key", "unknown backbone 'tinny'", "no metric 'f1'", "no metric 'auc'"):
        assert word in caught.value.message


def test_a_list_over_keys_is_one_clear_mistake(project: Project) -> None:
    """OmegaConf cannot merge the two; the place is named, in a file and on the command line."""
    project.declare("products", {"mood": {"gates": {"staging": []}}}, env="local")
    with pytest.raises(
        DeclarationError, match=r"local/products/mood.yml:\d+: mood.gates.staging: a list lies over keys"
    ):
        _ = loader(project).declarations
    (project.root / "conf/local/products/mood.yml").unlink()
    given = {"mood": {"source": [{"files": "a.csv"}]}}
    with pytest.raises(DeclarationError, match=r"--params: mood.source: a list lies over keys"):
        _ = loader(project, runtime_params=given).declarations


def test_an_environment_that_is_not_there_is_one_message(project: Project) -> None:
    """The environments that are there, and the one that was meant."""
    with pytest.raises(
        DeclarationError, match=r"no folder conf/lcoal; expected one of base, local; did you mean 'local'"
    ):
        loader(project, env="lcoal")


def test_labels_may_be_numbers_but_not_truth_values(project: Project) -> None:
    """YAML reads 0 and 1 as numbers, and a bare no as false, which is no label."""
    assert ContractSpec.model_validate({"labels": [0, 1]}).labels == ["0", "1"]
    project.declare("products", {"mood": {"contract": {"labels": [False, "maybe"]}}}, env="local")
    with pytest.raises(DeclarationError, match=r"labels\[0\]: YAML reads this label as the truth value false"):
        _ = loader(project).declarations


def test_a_mistake_on_the_command_line_is_said_to_be_there(project: Project) -> None:
    """A name that nothing has is an error, not a parameter that nobody reads."""
    with pytest.raises(DeclarationError, match=r"--params: moood: no product.*did you mean 'mood'"):
        _ = loader(project, runtime_params={"moood": {"training": {"max_epochs": 1}}}).declarations


def test_a_global_may_be_overridden(project: Project) -> None:
    """What stands in parameters.yml, and what a declaration asks for, may be given on the command line."""
    (project.root / "conf/base/parameters.yml").write_text("budget: 1\n")
    project.declare("products", {"mood": {"training": {"max_epochs": "${runtime_params:epochs}"}}}, env="local")
    given = loader(project, runtime_params={"budget": 3, "epochs": 2})
    assert given["parameters"]["budget"] == 3
    assert given.declarations.products["mood"].training.max_epochs == 2


def test_a_wrong_value_from_the_command_line_is_said_to_be_from_there(project: Project) -> None:
    """Not blamed on the file that it overrides."""
    with pytest.raises(DeclarationError, match=r"--params: mood.training.max_epochs: input should be greater"):
        _ = loader(project, runtime_params={"mood": {"training": {"max_epochs": 0}}}).declarations


def test_a_mistake_in_mlflow_yml_is_named(project: Project) -> None:
    """The file, the line, the key, and the keys there are."""
    (project.root / "conf/local/mlflow.yml").write_text("experiment: x\ntraking_uri: x\n")
    with pytest.raises(
        DeclarationError, match=r"conf/local/mlflow.yml:2: traking_uri: unknown key; .*did you mean 'tracking_uri'"
    ):
        _ = loader(project)["parameters"]


def test_mlflow_yml_may_be_empty_or_missing(project: Project) -> None:
    """Its defaults need no server."""
    path = project.root / "conf/base/mlflow.yml"
    path.write_text("# nothing yet\n")
    assert loader(project).mlflow.experiment == "modelmill"
    path.unlink()
    assert loader(project).mlflow.experiment == "modelmill"


def test_a_hub_address_needs_no_format() -> None:
    """`hf://` sources are read by the datasets library."""
    assert SourceSpec(files="hf://datasets/owner/name").from_hub


def test_a_far_word_gets_no_suggestion() -> None:
    """'did you mean' is for typing errors only."""
    assert "did you mean" not in hint("zzz", ["accuracy", "macro_f1"])


def test_the_loader_is_kedros_own_otherwise(project: Project) -> None:
    """But for the contracts on products' tables, the catalog is what OmegaConfigLoader reads; a product whose file is
    called catalog is none."""
    declaration = {"catalog_tags": yaml.safe_load((project.root / "conf/base/products/mood.yml").read_text())["mood"]}
    plain = OmegaConfigLoader(str(project.root / "conf"), base_env="base", default_run_env="local")
    before = plain["catalog"]
    project.declare("products", declaration)
    after = loader(project)["catalog"]
    contracts = {f"{name}.{table}" for name in ("mood", "catalog_tags") for table in VALIDATORS}
    assert {name: entry for name, entry in after.items() if name not in contracts} == before
    assert contracts <= set(after)
    raw = after["mood.raw"]
    assert raw.pop("validator")["options"]["max_reject"] == 0.05
    assert raw == {**before["{name}.raw"], "filepath": "data/01_raw/mood/records.parquet"}


def test_relative_addresses_of_mlflow_start_at_the_project(project: Project) -> None:
    """`sqlite:///mlflow.db` lies in the project, wherever the command is started."""
    assert loader(project)["parameters"]["mlflow"]["tracking_uri"] == f"sqlite:///{project.root}/mlflow.db"


@pytest.mark.parametrize("where", ["mood2.yml", "team/mood.yml"])
def test_a_product_in_two_files_is_reported(project: Project, where: str) -> None:
    """Two files of one environment that declare the same name do not silently merge."""
    source = (project.root / "conf/base/products/mood.yml").read_text()
    other = project.root / "conf/base/products" / where
    other.parent.mkdir(exist_ok=True)
    other.write_text(source)
    with pytest.raises(DeclarationError, match=r"mood\w*.yml:1: mood: 'mood' is declared in .*mood\w*.yml too"):
        _ = loader(project).declarations


def test_a_reserved_name_is_refused(project: Project) -> None:
    """A product called `evaluation` would replace the pipeline of that name."""
    source = (project.root / "conf/base/products/mood.yml").read_text().replace("mood:", "evaluation:", 1)
    (project.root / "conf/base/products/evaluation.yml").write_text(source)
    with pytest.raises(DeclarationError, match="evaluation: this name is taken by the framework"):
        _ = loader(project).declarations


@pytest.mark.parametrize("name", ["Mood", "my-mood", "1mood", "_mood"])
def test_a_name_is_a_lower_case_identifier(project: Project, name: str) -> None:
    """Names become files, models and namespaces."""
    path: Path = project.root / f"conf/base/products/{name}.yml"
    path.write_text((project.root / "conf/base/products/mood.yml").read_text().replace("mood:", f"{name}:", 1))
    with pytest.raises(DeclarationError, match="a name is lower-case letters"):
        _ = loader(project).declarations
