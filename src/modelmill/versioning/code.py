"""Which files of the project's own code a function needs: those that its module imports, and those that they import."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grimp import ImportGraph


class Imports:
    """The import graph of one package, read from its source without importing it (grimp).

    Imports inside functions count, those under `TYPE_CHECKING` do not. A module that is only named in a string is not
    seen: write `module.__name__` or `module.__file__` instead.
    """

    def __init__(self, package: str, root: Path) -> None:
        """
        Args:
            package: its name; it lies in `src` of the project.
            root: the project's folder, from which files are named.
        """
        self.package, self._root = package, root

    @cached_property
    def _graph(self) -> "ImportGraph":
        import grimp

        return grimp.build_graph(self.package, cache_dir=None, exclude_type_checking_imports=True)

    def closure(self, modules: Iterable[str]) -> list[str]:
        """Files of modules and of all that they import, by their path from the project's folder, sorted.

        Modules of other packages are left out: the environment's lock is about those.
        """
        own = {module for module in modules if module.partition(".")[0] == self.package}
        needed = own.union(*(self._graph.find_upstream_modules(module) for module in own)) if own else set()
        return sorted({file for module in needed for file in self._files(module)})

    def _files(self, module: str) -> Iterable[str]:
        """The module's file, and `__init__.py` of the packages that it lies in, which Python runs first."""
        parts = module.split(".")
        for length in range(1, len(parts) + 1):
            path = self._root.joinpath("src", *parts[:length])
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            yield file.relative_to(self._root).as_posix()
