"""Records from their sources to clean ones, split; the corpus of a backbone likewise."""

from kedro.pipeline import Node, Pipeline

from modelmill.cleaning.clean import clean_corpus, clean_product
from modelmill.cleaning.split import split_records
from modelmill.sources.read import read_sources
from modelmill.training.corpus import PRODUCT_SECTIONS, held_out_texts, training_texts

CLEAN = ["clean", "rejects", "cleaning_report"]


def for_product() -> Pipeline:
    """source -> raw -> clean + rejects -> train, validation, test."""
    return Pipeline(
        [
            Node(
                read_sources,
                ["params:source", "params:cleaning", "params:project_root"],
                ["raw", "sources"],
                name="ingest",
            ),
            Node(
                clean_product, ["raw", "params:contract", "params:cleaning", "params:project_root"], CLEAN, name="clean"
            ),
            Node(
                split_records,
                ["clean", "params:split", "params:contract", "params:source"],
                ["train", "validation", "test", "split_rejects"],
                name="split",
            ),
        ]
    )


def for_backbone(givers: list[str], users: list[str]) -> Pipeline:
    """corpus -> clean.

    Args:
        givers: products whose training records are read too.
        users: products whose validation and test records are kept out.
    """
    return Pipeline(
        [
            Node(
                read_sources,
                ["params:pretraining.corpus.sources", "params:pretraining.corpus.cleaning", "params:project_root"],
                ["raw", "sources"],
                name="ingest",
            ),
            Node(
                training_texts,
                ["params:project_root", *_sections(givers)],
                "product_texts",
                name="product_texts",
            ),
            Node(held_out_texts, ["params:project_root", *_sections(users)], "held_out", name="held_out"),
            Node(
                clean_corpus,
                ["raw", "product_texts", "held_out", "params:pretraining.corpus.cleaning", "params:project_root"],
                CLEAN,
                name="clean",
            ),
        ]
    )


def foreign_parameters(products: list[str]) -> set[str]:
    """Parameters of products that the corpus of a backbone depends on."""
    return set(_sections(products))


def _sections(products: list[str]) -> list[str]:
    return [f"params:{product}.{section}" for product in products for section in PRODUCT_SECTIONS]
