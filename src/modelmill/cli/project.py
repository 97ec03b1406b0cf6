"""The project's registry, opened for a command; and the hook that others may implement."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks.markers import hook_spec

from modelmill.config import ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.registry.desk import Desk
from modelmill.registry.office import Office
from modelmill.specs.backbone import ancestry
from modelmill.specs.files import hint

if TYPE_CHECKING:
    from modelmill.registry.gates.base import Declared


class RegistrySpecs:
    """Hooks of the registry: a class among `HOOKS` in settings.py implements them with Kedro's `hook_impl`."""

    @hook_spec
    def on_promoted(self, event: dict[str, Any], name: str, version: int) -> None:
        """A stage of the model `name` holds another version.

        Called after the event is in the ledger and the aliases follow, also for rollbacks, and when a version is
        withdrawn and the one before comes back.

        Args:
            event: as it stands in the ledger; `kind` is 'promoted', 'rolled_back' or 'revoked' (whose `version` is the
                one that was withdrawn), then `stage`, `actor`, `reason`, `time`.
            name: of the model.
            version: that the stage holds now.
        """


def opened(env: str | None) -> Office:
    """The registry that the project declares for an environment.

    Raises:
        DeclarationError: with every mistake of mlflow.yml and registry.yml.
    """
    loader = ProductConfigLoader.of_project(env)
    root = Path(loader.conf_source).parent
    return Office(Desk(loader.mlflow, loader.registry), root, lambda name: _declared(loader, root, name), announce)


def announce(event: dict[str, Any], name: str, version: int) -> None:
    """Call `on_promoted` of the project's hooks."""
    from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
    from kedro.framework.project import settings

    manager = _create_hook_manager()
    manager.add_hookspecs(RegistrySpecs)
    _register_hooks(manager, settings.HOOKS)
    manager.hook.on_promoted(event=event, name=name, version=version)


def _declared(loader: ProductConfigLoader, root: Path, name: str) -> "Declared":
    declarations = loader.declarations
    if name not in declarations.products:
        raise DeclarationError(
            f"'{name}' is registered, but no product of this name is declared, so nothing says which figures its gates "
            f"ask for; {hint(name, sorted(declarations.products))}"
        )
    from kedro.io import DataCatalog

    from modelmill.registry.gates.base import Declared

    product = declarations.products[name]
    test = DataCatalog.from_config(loader["catalog"])[f"{name}.test"]
    described: dict[str, Any] = test._describe()
    nearest, *ancestors = ancestry(product.backbone, declarations.backbones)
    return Declared(
        product=product,
        backbone=declarations.backbones[nearest],
        root=root,
        test=root / str(described["filepath"]),
        ancestors={one: declarations.backbones[one] for one in ancestors},
    )
