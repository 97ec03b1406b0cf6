"""Real MLflow registries for tests: SQLite, PostgreSQL, and a server."""

import multiprocessing
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from multiprocessing.context import ForkServerContext
from pathlib import Path

import requests

from modelmill.registry.desk import Desk
from modelmill.registry.writer import MlflowWriter
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec
from tests.registry.stages import spec_of

PLAIN_USER = "nobody"
"""PostgreSQL refuses to run as root."""


def processes() -> ForkServerContext:
    """Makes processes that have imported MLflow when they start."""
    context = multiprocessing.get_context("forkserver")
    stores = [f"mlflow.store.{kind}.sqlalchemy_workspace_store" for kind in ("tracking", "model_registry")]
    context.set_forkserver_preload(["mlflow", *stores, "tests.registry.racers", "tests.registry.killed"])
    return context


@cache
def _new_database() -> bytes:
    """A file that MLflow just made, which takes it seconds."""
    with tempfile.TemporaryDirectory() as folder:
        MlflowWriter(MlflowSpec(tracking_uri=f"sqlite:///{folder}/mlflow.db")).create_model("first")
        return Path(folder, "mlflow.db").read_bytes()


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    """The address of a new SQLite file."""
    (folder / "mlflow.db").write_bytes(_new_database())
    yield f"sqlite:///{folder}/mlflow.db"


def sqlite_desk(folder: Path, spec: RegistrySpec | None = None) -> Desk:
    """A registry on SQLite, whose artifacts lie in the same folder."""
    with sqlite(folder) as address:
        return Desk(MlflowSpec(tracking_uri=address, artifacts=f"{folder}/mlartifacts"), spec or spec_of())


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of an MLflow server on this machine, with SQLite behind it."""
    port = free_port()
    address, log = f"http://127.0.0.1:{port}", folder / "server.log"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/mlartifacts",
    ]  # fmt: skip
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, start_new_session=True)
    try:
        while not _answers(address):
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=2).ok
    except requests.RequestException:
        return False


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of a PostgreSQL server on this machine, started for this test."""
    assert find_spec("psycopg2"), "psycopg2 is missing: pip install 'modelmill[postgres]'"
    del folder  # the user who runs it cannot enter it
    owner = pwd.getpwnam(PLAIN_USER) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    home = Path(tempfile.mkdtemp(prefix="postgres"))
    os.chown(home, owner.pw_uid, owner.pw_gid)

    def run(program: str, *arguments: str) -> None:
        who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run([postgres_program(program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd=home, **who)

    port = free_port()
    settings = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("initdb", "-D", f"{home}/data", "-A", "trust", "-U", "mill", "--no-sync", "-E", "UTF8")
    run("pg_ctl", "-D", f"{home}/data", "-o", settings, "-l", f"{home}/log", "-w", "start")
    try:
        yield f"postgresql+psycopg2://mill@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(home)


def postgres_program(name: str) -> str:
    """Where a program of PostgreSQL lies; Debian keeps most of them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    program = str(found[-1]) if found else shutil.which(name)
    assert program, f"{name} is missing: install PostgreSQL (apt install postgresql)"
    return program


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
