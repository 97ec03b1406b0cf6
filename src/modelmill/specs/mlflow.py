"""Where runs are tracked and models registered: `conf/<env>/mlflow.yml`."""

from pathlib import Path

from modelmill.specs.base import Spec


class MlflowSpec(Spec):
    """Addresses of MLflow; the defaults need no server."""

    tracking_uri: str = "sqlite:///mlflow.db"
    registry_uri: str | None = None
    experiment: str = "modelmill"
    artifacts: str = "mlartifacts"

    def anchored(self, root: Path) -> "MlflowSpec":
        """The same with relative paths taken from the project's root, wherever a command is started."""
        update = {
            "artifacts": _anchor(self.artifacts, root),
            "tracking_uri": _anchor_uri(self.tracking_uri, root),
        }
        if self.registry_uri:
            update["registry_uri"] = _anchor_uri(self.registry_uri, root)
        return self.model_copy(update=update)


def _anchor(path: str, root: Path) -> str:
    return path if "://" in path else str((root / path).resolve())


def _anchor_uri(uri: str, root: Path) -> str:
    prefix = "sqlite:///"
    return prefix + str((root / uri.removeprefix(prefix)).resolve()) if uri.startswith(prefix) else uri
