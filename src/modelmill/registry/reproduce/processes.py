"""Commands of others, run where a version is built again."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelmill.errors import RegistryError

Tell = Callable[[str], None]
"""Is told what goes on, line by line."""

SHOWN = 15


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """SIGTERM, which ends Python at once, ends it as Ctrl-C does: what was there for a while goes. In the main thread.

    Raises:
        SystemExit: with 143, as a shell says it; a second SIGTERM changes nothing.
    """

    def leave(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def called(command: Sequence[str], folder: Path) -> str:
    """What a command that is soon done prints.

    Raises:
        RegistryError: with what it says, when it fails.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RegistryError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


@dataclass(frozen=True)
class Logged:
    """Runs commands that take long; what they print is added to a log, and told."""

    log: Path
    tell: Tell

    def run(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Run one.

        Raises:
            RegistryError: with its last lines and the log, when it fails.
        """
        with self.log.open("a", encoding="utf-8") as out:
            out.write(f"$ {' '.join(command)}\n")
            process = subprocess.Popen(
                command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace",
            )  # fmt: skip
            with process:
                assert process.stdout
                try:
                    for line in process.stdout:
                        out.write(line)
                        self.tell(line.rstrip())
                except BaseException:  # Ctrl-C, SIGTERM, or who is told fails: nobody waits for it any more
                    process.kill()
                    raise
        code = process.returncode
        if code:
            last = "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-SHOWN:])
            raise RegistryError(f"`{' '.join(command)}` ended with {code}; {self.log} has all that it said:\n{last}")
