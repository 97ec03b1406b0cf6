"""Where the files of a source can be had."""

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from modelmill.specs.base import Spec

Registry = Literal["pypi", "npm", "deb"]
FOLLOWED_BY = {"pypi": "pkg:pypi/NAME@VERSION", "npm": "pkg:npm/NAME@VERSION", "deb": "pkg:deb/debian/NAME@VERSION"}


class DownloadSpec(Spec):
    """Where the files of a source can be had; `kedro product fetch` brings them.

    `from` is a package URL (https://github.com/package-url/purl-spec), an `https://` address, or a file or folder of
    this machine. No package is installed, and nothing of it is run.
    """

    from_: str = Field(
        alias="from",
        min_length=1,
        description="`pkg:pypi/NAME@VERSION` (its wheel, or `?file_name=` of another file), `pkg:npm/NAME@VERSION`, "
        "`pkg:deb/debian/NAME@VERSION`, `https://...`, or a path",
    )
    members: str | None = Field(
        None,
        min_length=1,
        description="path within the archive or folder, with `*` where `files` has its wildcards; it may go on into an "
        "archive within. Default: what `from` names is the file itself",
    )
    sha256: str | None = Field(None, pattern="^[0-9a-fA-F]{64}$", description="of what `from` names")

    @model_validator(mode="after")
    def _can_be_fetched(self) -> Self:
        if self.from_.startswith("pkg:"):
            self._check_package()
        elif "://" in self.from_ and not re.match("https?://", self.from_):
            raise ValueError(f"'{self.from_}' is neither a package URL (`pkg:...`), `https://...` nor a path")
        if self.members and (self.members.startswith("/") or not {"..", ""}.isdisjoint(self.members.split("/"))):
            raise ValueError(f"`members: {self.members}` must be a path within the archive, without `..`")
        return self

    def _check_package(self) -> None:
        from packageurl import PackageURL

        try:
            package = PackageURL.from_string(self.from_)
        except ValueError as error:
            raise ValueError(f"'{self.from_}' is no package URL: {error}") from None
        if package.type not in FOLLOWED_BY:
            known = ", ".join(f"`{form}`" for form in FOLLOWED_BY.values())
            raise ValueError(f"packages of the type '{package.type}' cannot be fetched; expected {known}")
        if not package.version:
            raise ValueError(f"'{self.from_}' names no version; `{FOLLOWED_BY[package.type]}` does")
        if not self.members:
            raise ValueError("a package is an archive: say by `members` which of its files are the source's")
