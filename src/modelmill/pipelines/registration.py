"""The evaluated model becomes a version in the registry."""

from kedro.pipeline import Node, Pipeline

from modelmill.registry.evidence import collect_evidence
from modelmill.registry.lineage import data_lineage
from modelmill.registry.store import register_version


def for_product() -> Pipeline:
    """model, reports and lineage -> version with the alias `candidate`."""
    evidence = ["metrics", "curves", "learning_curves", "confusion_matrix", "model_card", "lineage"]
    version = ["params:mlflow", "mlflow_run", "model", "evidence", "test", "params:training"]
    return Pipeline(
        [
            Node(
                data_lineage, ["sources", "train", "validation", "test", "backbone"], "lineage", name="collect_lineage"
            ),
            Node(collect_evidence, evidence, "evidence", name="collect_evidence"),
            Node(register_version, version, "version", name="register"),
        ]
    )
