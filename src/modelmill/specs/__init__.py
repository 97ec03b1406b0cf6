"""The language of the YAML files: what a team may declare, its defaults, and its errors with file:line.

Light: pydantic and PyYAML only, so that every command line starts quickly.
"""

from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec

__all__ = ["BackboneSpec", "ProductSpec"]
