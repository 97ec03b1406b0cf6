"""The evaluated model becomes a version in the registry."""

from kedro.pipeline import Node, Pipeline

from modelmill.registry.evidence import collect_evidence, list_record_ids
from modelmill.registry.lineage import data_lineage
from modelmill.registry.register import register_version


def for_product() -> Pipeline:
    """model, reports and lineage -> version in the first stage."""
    splits = {name: name for name in ("train", "validation", "test")}
    lineage = {"run": "mlflow_run", "sources": "sources", "backbone": "backbone", "training": "training_report"}
    lineage |= {"root": "params:project_root", **splits}
    records = ["model", "train_augmented", "validation", "test", "params:training"]
    evidence = ("metrics", "curves", "model_card", "lineage", "record_ids", "predictions")
    figures = ("learning_curves", "answers_figure")
    version = ["params:mlflow", "params:registry", "mlflow_run", "model", "evidence", "test"]
    return Pipeline(
        [
            Node(data_lineage, lineage, "lineage", name="collect_lineage"),
            Node(list_record_ids, records, "record_ids", name="list_record_ids"),
            Node(collect_evidence, {name: name for name in (*evidence, *figures)}, "evidence", name="collect_evidence"),
            Node(register_version, version, "version", name="register"),
        ]
    )
