"""The evaluated model becomes a version in the registry."""

from kedro.pipeline import Node, Pipeline

from modelmill.registry.evidence import collect_evidence, list_record_ids
from modelmill.registry.lineage import data_lineage
from modelmill.registry.store import register_version


def for_product() -> Pipeline:
    """model, reports and lineage -> version with the alias `candidate`."""
    records = ["model", "train_augmented", "validation", "test"]
    reports = ("metrics", "curves", "model_card", "lineage", "record_ids", "learning_curves", "confusion_matrix")
    version = ["params:mlflow", "mlflow_run", "model", "evidence", "test", "params:training"]
    return Pipeline(
        [
            Node(
                data_lineage, ["sources", "train", "validation", "test", "backbone"], "lineage", name="collect_lineage"
            ),
            Node(list_record_ids, records, "record_ids", name="list_record_ids"),
            Node(collect_evidence, {name: name for name in reports}, "evidence", name="collect_evidence"),
            Node(register_version, version, "version", name="register"),
        ]
    )
