"""Kedro's settings: https://docs.kedro.org/en/stable/kedro_project_setup/settings.html"""

from modelmill.config import ProductConfigLoader
from modelmill.hooks import ProjectHooks

HOOKS = (ProjectHooks(),)
CONFIG_LOADER_CLASS = ProductConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "config_patterns": {
        # Kedro's defaults also look into every folder, where a product may be called `catalog_tags.yml`.
        "catalog": ["catalog*", "catalog*/**"],
        "parameters": ["parameters*", "parameters*/**"],
        "credentials": ["credentials*", "credentials*/**"],
    },
}
