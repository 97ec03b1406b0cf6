"""Archives of packages, brought from where they are published; nothing is installed or run.

`pip download` and `npm pack` are not asked: of a source archive pip runs `setup.py` to see what it needs.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from modelmill.errors import SourceError
from modelmill.progress import bar

if TYPE_CHECKING:
    from packageurl import PackageURL
    from requests import Response

PYPI, NPM = "https://pypi.org/simple", "https://registry.npmjs.org"
SIMPLE = {"Accept": "application/vnd.pypi.simple.v1+json"}
"""PEP 691: the index as JSON."""

TIMEOUT = 60
PIECE = 1 << 20


def bring(address: str, folder: Path) -> Path:
    """Download what a package URL or a web address names.

    Args:
        address: `pkg:...` or `https://...`.
        folder: an empty folder to write into.

    Returns:
        the archive (or file).

    Raises:
        SourceError: when it is not there, or the network is not.
    """
    if not address.startswith("pkg:"):
        return _download(address, folder, address)
    from packageurl import PackageURL

    package = PackageURL.from_string(address)
    return {"pypi": _from_pypi, "npm": _from_npm, "deb": _from_debian}[package.type](package, address, folder)


def _from_pypi(package: "PackageURL", address: str, folder: Path) -> Path:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    def is_meant(name: str) -> bool:
        wanted = package.qualifiers.get("file_name")
        if wanted:
            return name == wanted
        try:
            return name.endswith(".whl") and parse_wheel_filename(name)[1] == Version(str(package.version))
        except (InvalidWheelFilename, InvalidVersion):
            return False

    index = f"{_pip_index().rstrip('/')}/{package.name}/"
    files = _json(index, address, SIMPLE)["files"]
    chosen = next((file for file in files if is_meant(file["filename"])), None)
    if chosen is None:
        raise SourceError(
            f"{address}: {index} has no such file; correct the version, or name one of its files: `?file_name=NAME`."
        )
    path = _download(urljoin(index, chosen["url"]), folder, address)
    if declared := chosen.get("hashes", {}).get("sha256"):
        check_digest(path, "sha256", declared, address, "the index")
    return path


def _pip_index() -> str:
    """The index that pip is set to; PyPI by default."""
    if given := os.environ.get("PIP_INDEX_URL"):
        return given
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or PYPI


def _from_npm(package: "PackageURL", address: str, folder: Path) -> Path:
    registry = os.environ.get("NPM_CONFIG_REGISTRY", NPM).rstrip("/")
    name = f"{package.namespace}/{package.name}" if package.namespace else package.name
    published = _json(f"{registry}/{quote(name, safe='@')}/{package.version}", address, {})["dist"]
    path = _download(published["tarball"], folder, address)
    kind, _, digest = str(published.get("integrity", "")).partition("-")
    if digest:
        check_digest(path, kind, base64.b64decode(digest).hex(), address, "the registry")
    return path


def _from_debian(package: "PackageURL", address: str, folder: Path) -> Path:
    """By apt, which checks what it brings."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SourceError(f"{address}: a Debian package needs apt-get and dpkg-deb, and they are not here.")
    asked = ["apt-get", "download", "--quiet", f"{package.name}={package.version}"]
    with bar(f"fetching {address}", None, "bytes"):
        done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.deb"))
    if done.returncode or not found:
        raise SourceError(
            f"{address}: apt-get did not bring it: {_last_line(done.stderr)}\n"
            f"Look which version there is, `apt-cache policy {package.name}` (after `apt-get update`), or correct it."
        )
    return found[0]


def is_installed(address: str) -> bool:
    """Whether a package URL names a Debian package that is installed here in that version."""
    if not address.startswith("pkg:deb/"):
        return False
    from packageurl import PackageURL

    package = PackageURL.from_string(address)
    asked = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package.name]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return done.stdout == f"installed {package.version}"


def open_debian(package: Path, folder: Path) -> Path:
    """The files of a Debian package, as a tar."""
    path = folder / "files.tar"
    with path.open("wb") as file:
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=file, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise SourceError(f"{package.name}: dpkg-deb: {_last_line(done.stderr.decode(errors='replace'))}")
    return path


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it did not say why"


def _json(url: str, address: str, headers: Mapping[str, str]) -> Any:
    with _asked(url, address, headers) as answer:
        try:
            return answer.json()
        except ValueError:
            raise SourceError(f"{address}: {url} did not answer in JSON, so this is no registry.") from None


def _download(url: str, folder: Path, address: str) -> Path:
    """A file, under the name that its address ends with."""
    from requests import RequestException

    path = folder / (unquote(urlsplit(url).path).rpartition("/")[2] or "file")
    with _asked(url, address, {}) as answer:
        size = answer.headers.get("Content-Length") if "Content-Encoding" not in answer.headers else None
        try:
            with bar(f"fetching {address}", int(size) if size else None, "bytes") as shown, path.open("wb") as file:
                for piece in answer.iter_content(PIECE):
                    file.write(piece)
                    shown.update(len(piece))
        except RequestException as error:
            raise SourceError(f"{address}: {url} broke off ({error}); run the same command again.") from None
    if size and path.stat().st_size != int(size):
        raise SourceError(f"{address}: {url} broke off; run the same command again.")
    return path


def _asked(url: str, address: str, headers: Mapping[str, str]) -> "Response":
    import requests

    try:
        answer = requests.get(url, headers=dict(headers), stream=True, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise SourceError(
            f"{address}: {urlsplit(url).netloc} cannot be reached ({type(error).__name__}); look at the network "
            "(proxies are taken from HTTPS_PROXY, certificates from REQUESTS_CA_BUNDLE), or bring the files by hand."
        ) from None
    if not answer.ok:
        answer.close()
        raise SourceError(f"{address}: {url} answered {answer.status_code} {answer.reason}; correct the address.")
    return answer


def check_digest(path: Path, kind: str, expected: str, address: str, whose: str) -> None:
    """Raise `SourceError` when a file's digest (sha256, sha512, ...) is not the one that somebody names."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != expected.lower():
        raise SourceError(
            f"{address}: what came is not what {whose} names; nothing of it was taken.\n"
            f"  expected {kind} {expected}\n  found    {found}"
        )
