"""The stages of the session's project."""

from pathlib import Path

from modelmill.config import ProductConfigLoader
from modelmill.versioning.code import Imports
from modelmill.versioning.given import Given
from modelmill.versioning.outputs import Datasets
from modelmill.versioning.plan import Declared, Stage, plan_stages


def stages_of(loader: ProductConfigLoader) -> dict[str, Stage]:
    """All stages by name, each after those whose results it reads, as an environment's declarations make them.

    Raises:
        DeclarationError: for mistakes in the declarations, and for what DVC cannot version.
    """
    from kedro.framework.project import PACKAGE_NAME

    from modelmill.pipelines import all_pipelines

    pipeline = all_pipelines(loader.declarations)["__default__"]
    root = Path(loader.conf_source).parent
    catalog = loader["catalog"]
    made = Datasets(catalog).files(pipeline.all_outputs())
    addresses = [(".".join(map(str, (name, *path))), address) for _, name, path, address in loader.addresses()]
    given = Given(addresses, root, frozenset(made))
    return plan_stages(pipeline, Declared(catalog, loader.portable_parameters, given, Imports(str(PACKAGE_NAME), root)))
