"""How versions get into the ledger: when they are registered, or later when nobody wrote it down."""

import getpass
import logging
import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.digest import folder_digest, tensor_digest
from modelmill.errors import IntegrityError, RegistryError
from modelmill.registry.desk import Desk
from modelmill.registry.events import Event, Registered, now
from modelmill.registry.evidence import check_evidence, data_behind, evidence_digest
from modelmill.registry.fetch import evidence_folder, model_folder
from modelmill.registry.lineage import again, git
from modelmill.registry.model_signing import SIGNATURE, check_keys, sign_if_asked
from modelmill.registry.notify import deliver_or_warn
from modelmill.registry.readers import VersionRow
from modelmill.registry.state import State
from modelmill.registry.store import create_version, log_text
from modelmill.registry.version_files import weights
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec


def register_version(
    settings: MlflowSpec,
    registry: RegistrySpec,
    run: Mapping[str, Any],
    model: Path,
    evidence: Path,
    example: pl.DataFrame,
) -> dict[str, str]:
    """Make a version of a model folder, and write it into the ledger; the alias of the first stage follows.

    Args:
        settings: where MLflow is.
        registry: the stages.
        run: `name` of the product and `run_id`.
        model: folder with safetensors, tokenizer, config and product.json.
        evidence: folder with the model card, the reports and the figures, kept with the run.
        example: some records; their texts become the input example.

    Returns:
        name, version, alias, uri, run_id and the digest of the tensors.

    Raises:
        DataError: when the evidence is about another model, or names more data than an event has room for.
        IntegrityError: when the ledger is not whole, or gone.
        RegistryError: when MLflow cannot be reached or refuses.
    """
    digest = tensor_digest(model)
    check_evidence(evidence, digest)
    data_behind(evidence)  # if it is too long, before a version is made
    check_keys(registry)
    desk = Desk(settings, registry)
    desk.state(run["name"])  # if the ledger is not whole, before a version is made
    number = create_version(settings, run, model, evidence, example, digest)
    _sign(settings, registry, run, number)
    adopt(desk, run["name"], _registrar(), made=number)
    deliver_or_warn(desk, run["name"])
    return {
        "name": run["name"],
        "version": str(number),
        "alias": registry.first,
        "uri": f"models:/{run['name']}@{registry.first}",
        "run_id": run["run_id"],
        "digest": digest,
    }


def _registrar() -> str:
    """Who registers: MODELMILL_ACTOR, or git's user.email; a machine that trains need not have either."""
    email = (git(Path.cwd(), "config", "user.email") or b"").decode().strip()
    return os.environ.get("MODELMILL_ACTOR") or email or getpass.getuser()


def _sign(settings: MlflowSpec, registry: RegistrySpec, run: Mapping[str, str], number: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        if text := sign_if_asked(registry, model_folder(settings, run["name"], number, Path(scratch))):
            log_text(settings, run["run_id"], SIGNATURE, text)


def adopt(desk: Desk, name: str, actor: str, *, made: int | None = None) -> list[Registered]:
    """Write versions into the ledger that MLflow has and the ledger does not know, in order of their numbers.

    Those are of a time without a ledger, of a process that was killed between the two writes, or of one that is about
    to write it. One whose files cannot be had is left out, with a warning: nothing could ever be said of it.

    Args:
        desk: of the registry.
        name: of the model.
        actor: who adopts.
        made: the version that the actor has just made: it alone is written, and as its own.

    Returns:
        the events that were written.

    Raises:
        IntegrityError: when the tensors of a version are not those that MLflow's tag `digest` names.
        RegistryError: when the files of `made` cannot be had, or MLflow cannot be reached.
    """
    known = desk.state(name).registered
    unknown = [row for row in desk.reader.versions(name) if row.number not in known and made in (None, row.number)]
    written = []
    for row in unknown:
        try:
            event = _registered(desk, name, row, actor, "" if row.number == made else "adopted")
        except RegistryError as error:
            if row.number == made or isinstance(error, IntegrityError):
                raise
            logging.getLogger(__name__).warning("%s %d is left out: %s", name, row.number, error.message)
            continue
        if found := desk.act(name, partial(_unless_known, event), actor=actor).event:
            assert isinstance(found, Registered)
            written.append(found)
    return written


def _registered(desk: Desk, name: str, row: VersionRow, actor: str, reason: str) -> Registered:
    settings = desk.settings
    with tempfile.TemporaryDirectory() as scratch:
        folder = model_folder(settings, name, row.number, Path(scratch) / "model")
        evidence = evidence_folder(settings, row.run_id, Path(scratch) / "evidence") if row.run_id else None
        digest = tensor_digest(weights(folder))
        if (expected := row.tags.get("digest", digest)) != digest:
            raise IntegrityError(
                f"the digest of the weights of '{name}' {row.number} is {digest}, and MLflow's tag `digest` says "
                f"{expected}: they were changed before the ledger knew them. Register again, {again(name)}, and "
                "delete it in MLflow."
            )
        return Registered(
            actor=actor, reason=reason, version=row.number, stage=desk.spec.first,
            digest=digest, files=folder_digest(folder),
            evidence=evidence_digest(evidence) if evidence else None, run_id=row.run_id,
            **(data_behind(evidence) if evidence else {}),
        )  # fmt: skip


def _unless_known(event: Registered, state: State) -> Event | None:
    """Another process may have adopted the version in between."""
    return None if event.version in state.registered else event.model_copy(update={"time": now()})
