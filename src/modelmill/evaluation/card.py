"""The model card in Markdown (Mitchell et al. 2019, arXiv:1810.03993)."""

from typing import Any

from modelmill import markdown
from modelmill.evaluation.report import better
from modelmill.markdown import figure
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.split import SplitSpec
from modelmill.specs.task import Better
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.task import task_of


def model_card(
    report: dict[str, Any],
    training: dict[str, Any],
    cleaning: dict[str, Any],
    spec: ProductSpec,
    backbone: BackboneSpec,
) -> str:
    """What was measured, on what, against what, and how the model was made; figures come from the reports alone."""
    task = task_of(spec.task)
    labels = f" Labels: {', '.join(report['labels'])}." if "labels" in report else ""
    sections = [
        f"# {spec.description or spec.task.kind}\n\nTask: {spec.task.kind}.{labels}",
        _declared("Intended use", spec.card.intended_use),
        _results(report),
        *task.card(report),
        _comparison(report, spec.task.metrics[report["metric"]]),
        _data(cleaning, report, spec, backbone),
        _training(training, spec, backbone),
        _declared("Limitations", spec.card.limitations),
        _declared("Owner", spec.card.owner),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _declared(heading: str, text: str | None) -> str:
    return f"## {heading}\n\n{text}" if text else ""


def _results(report: dict[str, Any]) -> str:
    rows = [[name, figure(value)] for name, value in report["metrics"].items()]
    intro = f"On {report['items']} test records, with {report['confidence']:.0%} bootstrap intervals."
    return f"## Results\n\n{intro}\n\n{markdown.table(['metric', 'value'], rows)}"


def _comparison(report: dict[str, Any], direction: Better) -> str:
    metric = report["metric"]
    others = dict(report["baselines"])
    if "random_start" in report:
        others["same model, random start"] = report["random_start"]
    rows = [
        [
            name,
            figure(other["metrics"][metric]),
            figure(other["difference"]),
            better(direction, other["difference"]),
        ]
        for name, other in others.items()
    ]
    table = markdown.table(["compared with", metric, "this model minus it", "this model is"], rows)
    return f"## Comparison\n\n{table}"


def _data(cleaning: dict[str, Any], report: dict[str, Any], spec: ProductSpec, backbone: BackboneSpec) -> str:
    steps = [
        [
            step["step"],
            str(step["in"]),
            str(step["out"]),
            "; ".join(f"{n} {why}" for why, n in step["rejected"].items()),
        ]
        for step in cleaning["steps"]
    ]
    sources = "\n".join(f"- `{source.files}`" for source in spec.source.root)
    leaks = report["leaks"]
    corpus = leaks["in_backbone_corpus"]
    known = "not known (the backbone was not made here)" if corpus is None else str(corpus)
    known = "it has none" if backbone.architecture else known
    if start := leaks.get("not_looked_in"):
        known += f" (not looked in: what `{start}`, which it goes on from, was pretrained on)"
    leak_lines = (
        f"{task_of(spec.task).seen} of the training split: {leaks['in_training']}; of the "
        f"backbone's pretraining corpus: {known}."
    )
    return (
        f"## Data\n\n{sources}\n\n{markdown.table(['step', 'in', 'out', 'rejected'], steps)}\n\n"
        f"`contract.max_reject` ({spec.contract.max_reject:.0%}) bounds the rejects of the step `contract` alone. "
        f"{_split(spec.split)} "
        f"{leak_lines}"
    )


def _split(split: SplitSpec) -> str:
    if split.by == "time":
        return f"Split by time: validation from {split.validation_from}, test from {split.test_from}."
    return f"Split by a hash of the record's id: train {split.train}, validation {split.validation}, test {split.test}."


def _training(training: dict[str, Any], spec: ProductSpec, backbone: BackboneSpec) -> str:
    made = "pretrained by this project" if backbone.pretraining else "from a random start"
    origin = f"taken from `{backbone.model}`" if backbone.model else made
    images = training["batch_images"]
    unit, batch = ("images", images) if images else ("tokens", training["batch_tokens"])
    described = f" {backbone.description}" if backbone.description else ""
    licence = backbone.licence or "not declared"
    memory = "" if training["peak_memory_mb"] is None else f", {training['peak_memory_mb']} MiB"
    return (
        f"## Training\n\nBackbone `{spec.backbone}` ({origin}; licence: {licence}).{described}\n\n"
        f"{training['steps']} steps in {training['epochs']} epochs, {training['examples']} records, "
        f"{training['tokens']} {unit}, {training['seconds']:.0f} s, {training['precision']}, "
        f"{training['tokens_per_second']} {unit} a second ({training['share_of_peak']:.0%} of the machine's peak)"
        f"{memory}; learning rate {training['learning_rate']:g}, "
        f"{batch} {unit} a batch, in {training['micro_batches']} piece(s), seed {training['seed']}. "
        f"The weights of the epoch with the best validation {training['monitor']} ({training['best']:.3f}) are kept. "
        f"{training['trained_parameters']} parameters were trained; the model has {training['parameters']}."
        f"{_options(training)}"
    )


def _options(training: dict[str, Any]) -> str:
    """What was declared otherwise than by default, as far as the sentences before do not say it."""
    defaults = FineTuningSpec().model_dump(mode="json")
    told = {
        "checkpoint_minutes",
        "learning_rate",
        "batch_tokens",
        "batch_images",
        "max_epochs",
        "precision",
        "seed",
        "micro_batches",
    }
    chosen = [f"`{key}: {training[key]}`" for key in defaults if key not in told and training[key] != defaults[key]]
    return f" Declared otherwise than by default: {', '.join(chosen)}." if chosen else ""
