"""Reading declared sources into one table of records: id, text, label, origin."""

from modelmill.sources.read import read_sources

__all__ = ["read_sources"]
