"""Raw data under DVC: missing, altered, and on a second machine."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.versioning.conftest import Versioned, ran
from tests.versioning.test_doors import STAGES

REVIEWS = "data/01_raw/reviews"


@pytest.fixture
def first(committed: Versioned, tmp_path: Path) -> Versioned:
    """The machine that everything ran on; its remote lies beside it."""
    return committed.copy(tmp_path / "first")


def clone(first: Versioned) -> Versioned:
    """The second machine: what Git has, and nothing else."""
    second = Versioned(first.root.with_name("second"))
    first.git("clone", "--quiet", str(first.root), str(second.root))
    return second


def make(project: Versioned, target: str) -> tuple[int, str]:
    """Exit code and output of the project's own Makefile, with this environment in place of `.venv`."""
    binaries = f"BIN={Path(sys.executable).parent}"
    done = project.run(
        "make", "--file", str(ROOT / "Makefile"), "--old-file", ".venv/.installed", target, binaries, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_missing_raw_data_that_dvc_has(first: Versioned) -> None:
    """The error names the declaration's line and the command, and the command mends it."""
    first.dvc("push", "--quiet")
    for path in (first.root / REVIEWS).iterdir():
        path.unlink()
    done = first.kedro("run", check=False)
    assert done.returncode == 2
    assert "conf/base/products/mood.yml:5: mood.source[0].files" in done.stderr
    assert f"DVC has them; bring them here: `dvc pull {REVIEWS}.dvc`" in done.stderr
    first.dvc("pull", "--force", f"{REVIEWS}.dvc")
    assert ran(first.kedro("run")) == (set(), STAGES)


@pytest.mark.slow
def test_altered_raw_data_stop_the_run(first: Versioned) -> None:
    """A line more, a file less: nothing runs, and both remedies are named. A part that does not read the raw data may
    run; the first remedy mends it.
    """
    path = first.root / REVIEWS / "pos.txt"
    path.write_text(path.read_text() + "one more\n")
    more = first.kedro("run", check=False)
    path.unlink()
    less = first.kedro("run", check=False)
    for done in (more, less):
        assert done.returncode == 1
        assert f"{REVIEWS} is not what {REVIEWS}.dvc records" in done.stderr
        assert f"`dvc checkout {REVIEWS}.dvc`" in done.stderr
        assert f"`dvc add {REVIEWS}`" in done.stderr
        assert ran(done) == (set(), set())
    assert ran(first.kedro("run", "--namespaces", "mood.tokenization")) == (set(), {"mood-tokenization"})
    first.dvc("checkout", "--force", f"{REVIEWS}.dvc")
    assert ran(first.kedro("run")) == (set(), STAGES)


def test_status_names_what_would_stop_a_run(first: Versioned) -> None:
    """As `kedro run` does, with the same commands, also for a backbone that reads a product's source; what is as
    recorded is not named.
    """
    assert status(first) == []
    path = first.root / REVIEWS / "pos.txt"
    path.write_text(path.read_text() + "one more\n")
    told = first.kedro("dvc", "status").stdout.splitlines()[-1]
    assert told.startswith(
        f"`kedro run` stops: {REVIEWS} is not what {REVIEWS}.dvc records. `dvc checkout {REVIEWS}.dvc`"
    )
    assert status(first, "tiny") == [{"path": REVIEWS, "status": "altered"}]
    shutil.rmtree(first.root / REVIEWS)
    assert status(first) == [{"path": REVIEWS, "status": "missing"}]


def status(project: Versioned, *names: str) -> list[dict[str, str]]:
    """What `kedro dvc status` says of raw data, without its words."""
    rows = json.loads(project.kedro("dvc", "status", *names, "--json").stdout)["raw_data"]
    return [{key: value for key, value in row.items() if key != "message"} for row in rows]


def test_the_second_machine_skips_everything(first: Versioned) -> None:
    """Push, clone, `make data`: `kedro run` skips all, DVC finds all up to date, and MLflow is not needed."""
    first.dvc("push", "--quiet")
    second = clone(first)
    assert make(second, "data")[0] == 0
    assert ran(second.kedro("run")) == (set(), STAGES)
    assert "up to date" in second.dvc("status").stdout
    assert second.git("status", "--porcelain") == ""
    assert not (second.root / "mlflow.db").exists()


def test_make_data_without_the_remotes_files(first: Versioned) -> None:
    """Nothing was pushed: an error that says where DVC looked and what to do; nothing recorded is no error."""
    second = clone(first)
    code, printed = make(second, "data")
    assert code == 2
    assert "neither here nor in the remote" in printed
    assert str(first.root.with_name("modelmill-remote")) in printed
    assert "Run 'dvc push'" in printed
    for name in ("dvc.lock", f"{REVIEWS}.dvc"):
        (second.root / name).unlink()
    code, printed = make(second, "data")
    assert code == 0
    assert "DVC has recorded no data here yet" in printed


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server with a bucket `team`; who asks has credentials."""
    import boto3
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ann")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="team")
    yield address
    server.stop()


@pytest.mark.slow
def test_a_remote_in_s3(first: Versioned, s3: str) -> None:
    """The same by a bucket: pushed, cloned, pulled, and `kedro run` skips all."""
    first.dvc("remote", "add", "--default", "team", "s3://team/modelmill")
    first.dvc("remote", "modify", "team", "endpointurl", s3)
    first.commit("the team's remote")
    first.dvc("push", "--quiet")
    assert not first.root.with_name("modelmill-remote").exists()
    second = clone(first)
    second.dvc("pull", "--quiet")
    assert ran(second.kedro("run")) == (set(), STAGES)
    assert second.git("status", "--porcelain") == ""
