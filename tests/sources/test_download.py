"""Data comes from registries and the web as it is declared, or not at all; a real server, real archives."""

import base64
import hashlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelmill.errors import SourceError
from modelmill.sources.download import Brought, fetch_sources
from modelmill.specs.source import Sources
from tests.sources.test_archive import packed, tar

ROWS = b"text,label\ngood,x\nbad,y\n"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder; of `cut/...` it breaks off in the middle."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """As a server, or as one that fails."""
        if not self.path.startswith("/cut/"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(ROWS) + 100))
        self.end_headers()
        self.wfile.write(ROWS)


class Site:
    """A folder and its address."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address

    def offer(self, path: str, content: bytes | Path) -> bytes:
        """Put a file there."""
        data = content.read_bytes() if isinstance(content, Path) else content
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(data)
        return data


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server that pip's index and npm's registry are set to."""
    (tmp_path / "site").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "site")))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", address)
    yield Site(tmp_path / "site", address)
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(root: Path, *sources: dict[str, Any]) -> list[Brought]:
    """What came; raises what did not."""
    root.mkdir(exist_ok=True)
    came = []
    for one in fetch_sources(Sources.model_validate([*sources]).root, root):
        if isinstance(one, SourceError):
            raise one
        came.append(one)
    return came


def left(root: Path) -> set[str]:
    """Files of a project, hidden ones too."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def publish(site: Site, folder: Path) -> None:
    """Data 1.0 in an index like PyPI's: a wheel with one file, and a source archive with another in a tar within."""
    inner = tar(folder / "inner.tar.gz", {"set/a.csv": ROWS, "set/b.csv": ROWS})
    code = f"open({str(folder / 'pwned')!r}, 'w')".encode()
    source = tar(folder / "s.tar.gz", {"data-1.0/setup.py": code, "data-1.0/more.tar.gz": inner.read_bytes()})
    wheel = packed(folder / "w.whl", {"data/rows.csv": ROWS})
    files = []
    for name, path in (
        ("data-0.9-py3-none-any.whl", inner),
        ("data-1.0-py3-none-any.whl", wheel),
        ("data-1.0.tar.gz", source),
    ):
        content = site.offer(f"files/{name}", path)
        digest = hashlib.sha256(content).hexdigest()
        files.append({"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": digest}})
    site.offer("simple/data/index.html", json.dumps({"files": files}).encode())


WHEEL = {"files": "data/rows.csv", "download": {"from": "pkg:pypi/Data@1.0", "members": "data/rows.csv"}}
SOURCE = {
    "files": "data/set/*.csv",
    "download": {
        "from": "pkg:pypi/data@1.0?file_name=data-1.0.tar.gz", "members": "data-1.0/more.tar.gz/set/*.csv",
    },
}  # fmt: skip


def test_a_wheel_and_a_source_archive_come_from_an_index(site: Site, tmp_path: Path) -> None:
    """Of the version that is asked for; `setup.py` is not run, and nothing else is left in the project."""
    publish(site, tmp_path)
    root = tmp_path / "project"
    assert [one.number for one in fetch(root, WHEEL, SOURCE)] == [1, 2]
    assert left(root) == {"data/rows.csv", "data/set/a.csv", "data/set/b.csv"}
    assert (root / "data/rows.csv").read_bytes() == ROWS
    assert not (tmp_path / "pwned").exists()


def test_what_is_there_stays_as_it_is(site: Site, tmp_path: Path) -> None:
    """A file that somebody put there is not overwritten, and the server is not asked."""
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "data/rows.csv").write_text("mine")
    assert fetch(root, WHEEL) == []
    assert (root / "data/rows.csv").read_text() == "mine"


def test_an_archive_that_two_sources_share_comes_once(site: Site, tmp_path: Path) -> None:
    """Training and test files are in one wheel."""
    content = site.offer("both.zip", packed(tmp_path / "both.zip", {"in/train.csv": ROWS, "in/test.csv": ROWS}))
    asked: list[str] = []
    served = Quiet.do_GET
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Quiet, "do_GET", lambda self: (asked.append(self.path), served(self)))
        parts = [
            {
                "files": f"data/{name}.csv",
                "download": {
                    "from": f"{site.address}/both.zip", "members": f"in/{name}.csv",
                    "sha256": hashlib.sha256(content).hexdigest(),
                },
            }
            for name in ("train", "test")
        ]  # fmt: skip
        fetch(tmp_path / "project", *parts)
    assert asked == ["/both.zip"]
    assert left(tmp_path / "project") == {"data/train.csv", "data/test.csv"}


def test_a_file_of_the_web_takes_the_declared_name(site: Site, tmp_path: Path) -> None:
    """Its name there does not matter."""
    site.offer("raw/v1/download", ROWS)
    fetch(tmp_path / "project", {"files": "data/a/rows.csv", "download": {"from": f"{site.address}/raw/v1/download"}})
    assert left(tmp_path / "project") == {"data/a/rows.csv"}


def test_a_package_of_npm_with_a_scope(site: Site, tmp_path: Path) -> None:
    """Its digest is in the registry; one that differs is refused."""
    content = site.offer("p.tgz", tar(tmp_path / "p.tgz", {"package/rows.csv": ROWS}))
    told = {"tarball": f"{site.address}/p.tgz", "integrity": ""}
    source = {
        "files": "data/rows.csv", "download": {"from": "pkg:npm/%40us/poems@2.0.1", "members": "package/rows.csv"},
    }  # fmt: skip
    for digest, fits in ((hashlib.sha512(content).digest(), True), (b"0" * 64, False)):
        told["integrity"] = f"sha512-{base64.b64encode(digest).decode()}"
        site.offer("@us/poems/2.0.1", json.dumps({"dist": told}).encode())
        root = tmp_path / str(fits)
        if fits:
            assert fetch(root, source) == [Brought("data/rows.csv", "pkg:npm/%40us/poems@2.0.1", 1)]
            continue
        with pytest.raises(SourceError, match="what came is not what the registry names"):
            fetch(root, source)
        assert left(root) == set()


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg")
def test_a_debian_package_is_opened_and_not_installed(tmp_path: Path) -> None:
    """A package that was just built, by its path; its script is not run."""
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: d\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: d\n"
    )
    (tree / "DEBIAN/preinst").write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    (tree / "DEBIAN/preinst").chmod(0o755)
    (tree / "usr/share/d").mkdir(parents=True)
    (tree / "usr/share/d/rows.csv").write_bytes(ROWS)
    subprocess.run(["dpkg-deb", "--build", tree, tmp_path / "d.deb"], check=True, capture_output=True)
    download = {"from": str(tmp_path / "d.deb"), "members": "usr/share/d/*.csv"}
    fetch(tmp_path / "project", {"files": "data/*.csv", "download": download})
    assert left(tmp_path / "project") == {"data/rows.csv"}
    assert not (tmp_path / "pwned").exists()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another digest": ({"from": "{site}/rows.csv", "sha256": "0" * 64}, "is not what `download.sha256` names"),
    "not there": ({"from": "{site}/none.csv"}, "none.csv answered 404"),
    "broken off": ({"from": "{site}/cut/rows.csv"}, "broke off"),
    "nobody listens": ({"from": "http://127.0.0.1:9/rows.csv"}, "127.0.0.1:9 cannot be reached"),
    "no such version": ({"from": "pkg:pypi/data@7", "members": "x"}, "has no such file; correct the version"),
    "no such path": ({"from": "data/none.csv"}, "there is no such file or folder; correct `download.from`"),
    "a folder": ({"from": "."}, "this is a folder; say by `members`"),
    "two files for one": (SOURCE["download"], "are 2 files, and `files: data/rows.csv` is one"),
    "no registry": ({"from": "pkg:npm/page@1", "members": "x"}, "did not answer in JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_come_is_one_message_and_leaves_nothing(site: Site, tmp_path: Path, case: str) -> None:
    """Half a file would be taken for the data."""
    download, message = REFUSED[case]
    site.offer("rows.csv", ROWS)
    site.offer("page/1", b"<html>")
    publish(site, tmp_path)
    source = {"files": "data/rows.csv", "download": {**download, "from": download["from"].format(site=site.address)}}
    with pytest.raises(SourceError, match=message):
        fetch(tmp_path / "project", source)
    assert left(tmp_path / "project") == set()


def test_files_that_are_not_the_declared_ones_are_not_put_there(site: Site, tmp_path: Path) -> None:
    """The digests of `sha256` are of the files; those of members that `files` does not stand for are refused, too."""
    publish(site, tmp_path)
    with pytest.raises(SourceError, match=r"'rows\.csv' is not the declared file"):
        fetch(tmp_path / "project", {**WHEEL, "sha256": {"rows.csv": "0" * 64}})
    with pytest.raises(SourceError, match=r"gives 'a.csv', which `files: data/set/\*.txt` does not stand for"):
        fetch(tmp_path / "project", {**SOURCE, "files": "data/set/*.txt"})
    assert left(tmp_path / "project") == set()


def test_one_that_does_not_come_keeps_no_other_from_coming(site: Site, tmp_path: Path) -> None:
    """Each archive has its own error."""
    site.offer("rows.csv", ROWS)
    bad = {"files": "data/a.csv", "download": {"from": f"{site.address}/none.csv"}}
    good = {"files": "data/b.csv", "download": {"from": f"{site.address}/rows.csv"}}
    (tmp_path / "project").mkdir()
    came = list(fetch_sources(Sources.model_validate([bad, good]).root, tmp_path / "project"))
    assert [type(one) for one in came] == [SourceError, Brought]
    assert left(tmp_path / "project") == {"data/b.csv"}
