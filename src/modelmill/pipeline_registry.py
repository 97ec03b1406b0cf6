"""The project's pipelines, one set per declaration."""

from kedro.pipeline import Pipeline

from modelmill.config import ProductConfigLoader
from modelmill.pipelines import all_pipelines


def register_pipelines() -> dict[str, Pipeline]:
    """The pipelines of the declarations that the running session sees; without a session, of `KEDRO_ENV`."""
    loader = ProductConfigLoader.latest
    if loader is None:  # not `or`: a loader is a mapping, and false while it is empty
        loader = ProductConfigLoader.of_project()
    return all_pipelines(loader.declarations)
