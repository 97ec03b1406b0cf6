"""The errors that a user can meet. Each message says what, where, what was expected and what to do.

    UserError                  the base: click prints it as one message, without a traceback
    ├── DeclarationError       all that is wrong in the YAML files, in one report
    ├── SourceError            a file, package or hub address that cannot be read
    ├── DataError              records that break their contract as a whole
    └── RegistryError          MLflow cannot be reached, or does not hold what was asked for

`assert` is for our own invariants; whoever sees an AssertionError has found a bug.
"""

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
