"""Kedro glue: which function reads what and writes what. No logic lives here.

A stage (`data_cleaning`, `tokenization`, ...) is written once, without a product's name; `_assemble` puts the stages
of one declaration into the namespaces `<name>.<stage>`, so that kedro-viz shows a product as a box of pipelines.
What others read of a backbone has no namespace: `<backbone>_backbone`, its folder, and `<backbone>_corpus`.
"""

from kedro.pipeline import Pipeline

from modelmill.pipelines import (
    augmentation,
    data_cleaning,
    evaluation,
    fine_tuning,
    pretraining,
    registration,
    tokenization,
)
from modelmill.specs.backbone import ancestry
from modelmill.specs.resolve import Declarations

GLOBAL = {"params:project_root", "params:mlflow", "params:registry"}


def product_pipeline(name: str, declared: Declarations) -> Pipeline:
    """All of one product, from raw records to a registered version."""
    spec = declared.products[name]
    random_start = spec.evaluation.random_start
    inputs = {"backbone": f"{spec.backbone}_backbone"}
    for i, one in enumerate(ancestry(spec.backbone, declared.backbones)):
        if declared.backbones[one].pretraining:
            inputs[f"corpus_{i}"] = f"{one}_corpus"
    corpora = [name for name in inputs if name != "backbone"]
    known = bool(corpora or declared.backbones[spec.backbone].architecture)
    read = corpora if known else None
    stages = {
        "data_cleaning": data_cleaning.for_product(),
        "augmentation": augmentation.for_product(images="image" in spec.task.reads),
        "tokenization": tokenization.for_product(),
        "fine_tuning": fine_tuning.for_product(random_start=random_start),
        "evaluation": evaluation.for_product(target=spec.task.target, random_start=random_start, corpora=read),
        "registration": registration.for_product(),
    }
    declarations = {"params:product": f"params:{name}", "params:backbone": f"params:{spec.backbone}"}
    return _assemble(name, stages, inputs=inputs, parameters=declarations)


def backbone_pipeline(name: str, declared: Declarations) -> Pipeline:
    """All of one backbone; one that is taken from somewhere is only fetched."""
    pretrained = declared.backbones[name].pretraining
    outputs = {"backbone": f"{name}_backbone"}
    if pretrained is None:
        made = pretraining.untrained() if declared.backbones[name].architecture else pretraining.fetch()
        return _assemble(name, {"pretraining": made}, outputs=outputs)
    givers = pretrained.corpus.products
    users = [
        product for product, spec in declared.products.items() if name in ancestry(spec.backbone, declared.backbones)
    ]
    goes_on = pretrained.from_ is not None
    stages = {
        "data_cleaning": data_cleaning.for_backbone(givers, users),
        "tokenization": tokenization.for_backbone(goes_on=goes_on),
        "pretraining": pretraining.for_backbone(goes_on=goes_on),
    }
    foreign = {parameter: parameter for parameter in data_cleaning.foreign_parameters([*givers, *users])}
    outputs["clean"] = f"{name}_corpus"
    inputs = {"base": f"{pretrained.from_}_backbone"} if goes_on else {}
    return _assemble(name, stages, inputs=inputs, outputs=outputs, parameters=foreign)


def _assemble(
    name: str,
    stages: dict[str, Pipeline],
    *,
    inputs: dict[str, str] | None = None,
    outputs: dict[str, str] | None = None,
    parameters: dict[str, str] | None = None,
) -> Pipeline:
    """Stages in the namespace `<name>.<stage>`; datasets become `<name>.<dataset>`, parameters `<name>.<section>`."""
    boxes = sum(
        (
            Pipeline(stage, namespace=stage_name, prefix_datasets_with_namespace=False, tags=[stage_name])
            for stage_name, stage in stages.items()
        ),
        Pipeline([]),
    )
    shared = {parameter: parameter for parameter in GLOBAL & boxes.inputs()}
    return Pipeline(boxes, namespace=name, inputs=inputs, outputs=outputs, parameters={**shared, **(parameters or {})})


def all_pipelines(declared: Declarations) -> dict[str, Pipeline]:
    """Kedro's registry.

    `<product>` goes from raw records to a registered model, its backbone included; `<backbone>` makes the backbone,
    and those that it goes on from; `<stage>` is that stage of all products and backbones; `__default__` is everything.
    """
    alone = {name: backbone_pipeline(name, declared) for name in declared.backbones}
    backbones = {name: sum((alone[one] for one in ancestry(name, declared.backbones)), Pipeline([])) for name in alone}
    products = {name: product_pipeline(name, declared) for name in declared.products}
    everything = sum((*alone.values(), *products.values()), Pipeline([]))
    stages = {
        stage: everything.only_nodes_with_tags(stage) for stage in sorted({t for n in everything.nodes for t in n.tags})
    }
    with_backbone = {name: backbones[declared.products[name].backbone] + products[name] for name in products}
    return {"__default__": everything, **stages, **backbones, **with_backbone}
