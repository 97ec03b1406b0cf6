"""Whether a version that should come back into a stage is still what was registered."""

import tempfile
from pathlib import Path

from modelmill.errors import IntegrityError, RegistryError
from modelmill.registry.desk import Desk


def check_intact(desk: Desk, name: str, version: int) -> None:
    """Read the files and the evidence of a version, and compare them with the ledger.

    Args:
        desk: of the registry.
        name: of the model.
        version: that the ledger knows.

    Raises:
        IntegrityError: when they are gone, or are others.
    """
    from modelmill.registry.fetch import fetch
    from modelmill.registry.gates.contents import changed

    registered = desk.state(name).registered[version]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            wrong = changed(fetch(desk.settings, name, desk.row(name, version), registered, Path(scratch)))
        except RegistryError as error:
            why = error.message
        else:
            why = f"not as registered: {', '.join(wrong)}" if wrong else ""
    if why:
        raise IntegrityError(
            f"version {version} of '{name}' cannot come back: {why}\nBring it back from a backup, or `kedro model "
            f"revoke {name}@{version}`: then the one before it comes back; or promote another."
        )
