"""The errors that a user can meet. Each message says what, where, what was expected and what to do.

    UserError                  the base: click prints it as one message, without a traceback
    ├── DeclarationError       all that is wrong in the YAML files, in one report
    ├── SourceError            a file, package or hub address that cannot be read
    ├── DataError              records that break their contract as a whole
    └── RegistryError          MLflow cannot be reached or refuses
        ├── TransitionError    a stage that cannot be entered from where the version is
        ├── GateError          a gate, soak time or cool-down says no
        ├── ApprovalError      approvals are missing
        ├── ConflictError      the registry is not as was expected; another came first
        ├── NotFoundError      no such model, version or request, or gone
        ├── IntegrityError     what is there is not what was written
        └── EquivalentError    a version that was built again is not the same, but as good

`assert` is for our own invariants; whoever sees an AssertionError has found a bug. The first line of each
class's docstring says in `docs/reference/cli.md` what its exit code means.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click


class UserError(click.ClickException):
    """Something the user can mend. `click` prints the message and exits with `exit_code`."""

    whose = ""
    """The product or backbone that it happened to, once that is known."""

    def format_message(self) -> str:
        return f"{self.whose}: {self.message}" if self.whose else self.message


class DeclarationError(UserError):
    """All mistakes found in the declarations."""

    exit_code = 2


class SourceError(UserError):
    """A source cannot be read."""


class DataError(UserError):
    """The records cannot be used."""


class RegistryError(UserError):
    """The tracking server or the registry did not answer as needed."""

    exit_code = 8


class TransitionError(RegistryError):
    """A version cannot enter that stage from where it is."""

    exit_code = 2


class GateError(RegistryError):
    """A gate, the soak time or the cool-down says no.

    `gates` is what each gate said, where they were asked.
    """

    exit_code = 3

    def __init__(self, message: str, gates: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.gates = list(gates)


class ApprovalError(RegistryError):
    """Approvals are missing."""

    exit_code = 4


class ConflictError(RegistryError):
    """The registry is not as was expected: another came first."""

    exit_code = 5


class NotFoundError(RegistryError):
    """There is no such model, version, run or request, or its files are gone."""

    exit_code = 6


class IntegrityError(RegistryError):
    """What is there is not what was written."""

    exit_code = 7


class EquivalentError(RegistryError):
    """A version that was built again has other tensors, and answers the same within the tolerance."""

    exit_code = 9
