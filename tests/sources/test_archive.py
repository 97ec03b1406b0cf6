"""Files come out of archives by their path, and never lie outside of where they are put."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from modelmill.errors import SourceError
from modelmill.sources.archive import take_members


def tar(path: Path, files: dict[str, bytes], **links: str) -> Path:
    """A gzipped tar of files, and of links by name."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, to in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            archive.addfile(entry)
    return path


def packed(path: Path, files: dict[str, bytes]) -> Path:
    """A zip of files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


FILES = {"a/x/1.txt": b"one", "a/y/2.txt": b"two", "a/y/2.csv": b"other", "b/3.txt": b"three"}


def make_folder(path: Path, files: dict[str, bytes]) -> Path:
    """The same as a folder."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.mark.parametrize("make", [tar, packed, make_folder])
def test_members_keep_their_path_from_the_wildcard_on(tmp_path: Path, make: object) -> None:
    """In a tar, a zip and a folder alike; a member without wildcards goes by its name."""
    assert callable(make)
    place, out = make(tmp_path / "archive", FILES), tmp_path / "out"
    take_members(place, "a/*/*.txt", out, "it")
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()} == {
        "x/1.txt": b"one",
        "y/2.txt": b"two",
    }
    assert take_members(place, "b/3.txt", out, "it") == [out / "3.txt"]


def test_a_path_goes_on_into_an_archive_within(tmp_path: Path) -> None:
    """A tar in a zip, as source archives carry data."""
    inner = tar(tmp_path / "inner.tar.gz", {"data/good.txt": b"1", "data/bad.txt": b"2", "read.me": b"3"})
    outer = packed(tmp_path / "outer.zip", {"package/more/inner.tar.gz": inner.read_bytes(), "package/x.txt": b"4"})
    out = tmp_path / "out"
    taken = take_members(outer, "package/more/inner.tar.gz/data/*.txt", out, "it")
    assert {path.name: path.read_bytes() for path in taken} == {"good.txt": b"1", "bad.txt": b"2"}
    assert {path.parent for path in taken} == {out}


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt"])
@pytest.mark.parametrize("make", [tar, packed])
def test_a_path_that_would_lie_outside_is_refused(tmp_path: Path, make: object, name: str) -> None:
    """Whoever made such an archive means harm, so nothing of it is taken, not even what is asked for."""
    assert callable(make)
    (tmp_path / "work/out").mkdir(parents=True)
    place = make(tmp_path / "work/archive", {"a/good.txt": b"1", name: b"2"})
    for pattern in ("a/*.txt", "*/*.txt"):
        with pytest.raises(SourceError, match="a path outside of it, so nothing of it was taken"):
            take_members(place, pattern, tmp_path / "work/out", "it")
    assert not list((tmp_path / "work/out").iterdir())
    assert not list(tmp_path.rglob("evil*"))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """It could stand for any file of the machine."""
    place = tar(tmp_path / "a.tar", {"a/1.txt": b"1"}, **{"a/2.txt": "/etc/passwd"})
    with pytest.raises(SourceError, match=r"'a/2\.txt' is a link"):
        take_members(place, "a/*.txt", tmp_path / "out", "it")


def test_what_is_no_archive_or_lacks_the_member_is_said(tmp_path: Path) -> None:
    """With the name of the archive, and what to correct."""
    (tmp_path / "page.html").write_text("<html>")
    with pytest.raises(SourceError, match="page: this is no folder, zip or tar archive"):
        take_members(tmp_path / "page.html", "a/*.txt", tmp_path / "out", "page")
    with pytest.raises(SourceError, match=r"it: nothing in it is called 'c/\*\.txt'; correct `members`"):
        take_members(packed(tmp_path / "a.zip", FILES), "c/*.txt", tmp_path / "out", "it")


def test_a_damaged_archive_is_said(tmp_path: Path) -> None:
    """A download that was cut off by a proxy that said nothing."""
    whole = tar(tmp_path / "a.tar.gz", {"a/1.txt": bytes(range(256)) * 400, "a/2.txt": b"2"}).read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="it: this archive is damaged"):
        take_members(tmp_path / "a.tar.gz", "a/*.txt", tmp_path / "out", "it")
