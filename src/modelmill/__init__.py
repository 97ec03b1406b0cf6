"""modelmill: declarative AI products on Kedro, with a model registry."""

__version__ = "0.1.0"
