"""A version as documents for others; each is a pure function of facts."""

from collections.abc import Callable

from modelmill.registry.exports.annex4 import annex4
from modelmill.registry.exports.card import card
from modelmill.registry.exports.facts import Facts
from modelmill.registry.exports.mlbom import mlbom

FORMATS: dict[str, Callable[[Facts], str]] = {"card": card, "mlbom": mlbom, "annex4": annex4}
"""By the name that `kedro model export --format` takes."""
