"""Licences as SPDX expressions: what is one, and what may be used."""

import pytest
from packaging.licenses import canonicalize_license_expression

from modelmill.config import ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.settings import CONFIG_LOADER_ARGS
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.licences import refused
from modelmill.specs.registry import LicenceGate
from tests.conftest import Project

ALLOWED = ["Apache-2.0", "MIT", "GPL-2.0-only WITH Classpath-exception-2.0", "LicenseRef-Ours"]


@pytest.mark.parametrize(
    ("expression", "stands_in_the_way"),
    [
        ("MIT", []),
        ("mit", []),
        ("BSL-1.0", ["BSL-1.0"]),
        ("MIT AND Apache-2.0", []),
        ("MIT AND BSL-1.0", ["BSL-1.0"]),
        ("MIT OR BSL-1.0", []),
        ("BSL-1.0 OR GPL-3.0-only AND ISC", ["BSL-1.0"]),
        ("BSL-1.0 OR MIT AND Apache-2.0", []),
        ("MIT OR BSL-1.0 AND ISC", []),
        ("(MIT OR BSL-1.0) AND ISC", ["ISC"]),
        ("((MIT OR BSL-1.0) AND Apache-2.0) OR ISC", []),
        ("Apache-2.0+", []),
        ("GPL-2.0-only", ["GPL-2.0-only"]),
        ("GPL-2.0-only WITH Classpath-exception-2.0", []),
        ("MIT WITH Classpath-exception-2.0 AND MIT", ["MIT WITH Classpath-exception-2.0"]),
        ("LicenseRef-Ours OR LicenseRef-Theirs", []),
        ("LicenseRef-Theirs", ["LicenseRef-Theirs"]),
    ],
)
def test_and_or_with_mean_what_spdx_says(expression: str, stands_in_the_way: list[str]) -> None:
    """AND binds more than OR; all of an AND, one of an OR; an exception belongs to its licence."""
    assert refused(canonicalize_license_expression(expression), ALLOWED) == stands_in_the_way


def test_a_licence_is_written_as_spdx_writes_it() -> None:
    """Whatever the case it was declared in."""
    assert BackboneSpec(model="somewhere", licence="apache-2.0 or mit").licence == "Apache-2.0 OR MIT"
    assert BackboneSpec(model="somewhere", licence="LicenseRef-Ours").licence == "LicenseRef-Ours"
    assert BackboneSpec(model="somewhere").licence is None


def test_prose_is_no_licence(project: Project) -> None:
    """The file, the line, and what was expected instead."""
    file = project.declare("backbones", {"other": {"model": "somewhere", "licence": "as this project"}})
    with pytest.raises(DeclarationError) as caught:
        _ = ProductConfigLoader(str(project.root / "conf"), **CONFIG_LOADER_ARGS).declarations
    assert f"{file.relative_to(project.root)}:3: other.licence: this is no SPDX licence expression" in str(caught.value)
    assert "LicenseRef-NAME" in str(caught.value)


@pytest.mark.parametrize(("entry", "said"), [("MIT OR ISC", "expected one licence"), ("Apache 2", "no SPDX licence")])
def test_the_allow_list_holds_licences_one_by_one(entry: str, said: str) -> None:
    """A misspelt entry would never match, an expression neither."""
    with pytest.raises(ValueError, match=said):
        LicenceGate(allow=[entry])
    assert LicenceGate(allow=["mit"]).allow == ["MIT"]
