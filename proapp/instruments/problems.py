"""What is wrong with a definition file, said once and in plain words.

Study files and instrument packs are written by people who do not read tracebacks. Whatever is wrong is collected as a
list of problems, each with its file, the place inside the file and one sentence, so that one reading of the list
repairs the whole file.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault: `file` as the reader knows it, `path` inside the file (may be empty), and a plain `sentence`."""

    file: str
    path: str
    sentence: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.path, self.sentence) if part)


class DefinitionError(Exception):
    """A definition cannot be used; `problems` holds every fault that was found, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
