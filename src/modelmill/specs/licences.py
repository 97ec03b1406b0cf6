"""Licences as SPDX expressions (https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/)."""

import re
from collections.abc import Collection
from typing import Annotated

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator


def _expression(text: str) -> str:
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression as error:
        raise ValueError(
            f"this is no SPDX licence expression ({error}); expected identifiers of https://spdx.org/licenses, joined "
            "by AND, OR and WITH, or LicenseRef-NAME for a licence that is not listed there"
        ) from None


def _identifier(text: str) -> str:
    if re.search(r"\b(AND|OR)\b|[()]", expression := _expression(text)):
        raise ValueError("expected one licence; list them one by one")
    return expression


Licence = Annotated[str, AfterValidator(_expression)]
"""An expression, in the spelling of SPDX: `MIT AND (Apache-2.0 OR GPL-2.0-only)`."""

Identifier = Annotated[str, AfterValidator(_identifier)]
"""One licence of an expression, with its exception if it has one."""


def refused(expression: str, allowed: Collection[str]) -> list[str]:
    """The licences that stand in the way of using something; none when it may be used.

    All of an AND must be allowed, and one of an OR. A licence WITH an exception is one of its own; `X+`, this version
    or a later one, is allowed where X is.

    Args:
        expression: a `Licence`.
        allowed: `Identifier`s.
    """
    return _one_of(re.findall(r"[()]|[^\s()]+", expression)[::-1], allowed)


def _one_of(tokens: list[str], allowed: Collection[str]) -> list[str]:
    """Of a stack of tokens, the alternative with the fewest that are refused."""
    ways = [_all_of(tokens, allowed)]
    while tokens and tokens[-1] == "OR":
        tokens.pop()
        ways.append(_all_of(tokens, allowed))
    return min(ways, key=len)


def _all_of(tokens: list[str], allowed: Collection[str]) -> list[str]:
    found = _single(tokens, allowed)
    while tokens and tokens[-1] == "AND":
        tokens.pop()
        found += _single(tokens, allowed)
    return found


def _single(tokens: list[str], allowed: Collection[str]) -> list[str]:
    if (token := tokens.pop()) == "(":
        found = _one_of(tokens, allowed)
        tokens.pop()
        return found
    if tokens and tokens[-1] == "WITH":
        token = " ".join([token, tokens.pop(), tokens.pop()])
    return [] if {token, token.removesuffix("+")} & set(allowed) else [token]
