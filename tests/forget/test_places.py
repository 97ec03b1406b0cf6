"""Where the catalog puts things."""

from pathlib import Path

from kedro.io import DataCatalog

from modelmill.forget.places import Place, places_of


def test_places_come_from_the_catalog(tmp_path: Path) -> None:
    """By its patterns, by an entry that overrides one, and of names that are on disk alone."""
    root = tmp_path / "a[b]*"  # wildcards in the project's own path
    table = "modelmill.datasets.Table"
    catalog = DataCatalog.from_config(
        {
            "{name}.raw": {"type": table, "filepath": str(root / "{name}/raw.parquet")},
            "{product}_corpus": {"type": table, "filepath": str(root / "corpora/{product}.parquet")},
            "{a}.{b}": {"type": table, "filepath": str(root / "{a}/{b}.parquet")},
            "{anything}": {"type": "MemoryDataset"},
            "mood.raw": {"type": table, "filepath": str(root / "elsewhere.parquet")},
        }
    )
    for path in ("left/raw.parquet", "left/deeper/raw.parquet", "corpora/right.parquet"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    raw = {"mood": "elsewhere.parquet", "left": "left/raw.parquet", "right": "right/raw.parquet"}
    found = places_of(catalog, ["mood"])
    assert {name: sorted(places, key=lambda place: place.kind) for name, places in found.items()} == {
        name: [
            Place(f"{name}_corpus", "corpus", root / f"corpora/{name}.parquet"),
            Place(f"{name}.raw", "raw", root / path),
        ]
        for name, path in raw.items()
    }
