"""Which commands of a deployed house run inside its stack: Postgres, Valkey and the RAG service publish no port."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from os.path import dirname, join, normpath
from pathlib import PurePosixPath

#: The commands that ask a store or a service of the house, each with the number of words that name it.
INSIDE: Mapping[str, int] = {
    **dict.fromkeys(("audit", "close", "credit", "index", "open", "query", "queue", "seed", "suspend"), 1),
    **dict.fromkeys(("traces", "usage"), 1),
    **dict.fromkeys(("collections", "key", "quota"), 2),
    "provider": 3,
}
#: The one that reads the host's files.
INDEX = "index"
#: Those that read a prompt's answer or a pipe. Any other one must not swallow the input of the script that calls it.
READING = (("collections", "delete"), ("collections", "import"), ("provider", "key", "set"))
#: Where files of the host are seen; none of the image's own lie there.
HOST = "/host"
#: The service whose container has the house's files and secrets, and reaches every part.
SERVICE = "seed"


@dataclass(frozen=True, slots=True)
class Errand:
    """A command that is run inside. `words`: as they are there; `house`: as it was given; `mounts`: what of the host it
    reads, in full; `reads`: whether it is given the input."""

    words: tuple[str, ...]
    house: str | None = None
    mounts: tuple[str, ...] = ()
    reads: bool = False


def errand(words: Sequence[str], here: str, exists: Callable[[str], bool]) -> Errand | None:
    """The command line as it is run inside; None for one that runs on the host. `here`: the working directory;
    `exists`: whether there is such a file or folder."""
    kept, house = _without_house(words)
    options = kept[: kept.index("--")] if "--" in kept else kept
    named = [word for word in kept if not word.startswith("-")]
    if not kept or len(named) < INSIDE.get(kept[0], len(kept) + 1) or "--help" in options:
        return None
    reads = any(tuple(named[: len(one)]) == one for one in READING)
    if kept[0] != INDEX:
        return Errand(tuple(kept), house, reads=reads)
    paths = _paths(kept)
    seen = [f"{HOST}{word}" if word in paths and word.startswith("/") else word for word in kept]
    return Errand(tuple(seen), house, _mounts(paths, here, exists))


def argv(errand: Errand, here: str, variables: Mapping[str, str], operator: str, terminal: bool) -> tuple[str, ...]:
    """The words for Compose. `variables`: the shell's; `operator`: who the action log names."""
    told = {"LOGNAME": operator}
    told |= {name: variables[name] for name in _TOLD if name in variables}
    words = ["run", "--rm", "--no-deps", *(() if terminal else ("-T",))]
    words += [word for name, value in sorted(told.items()) for word in ("-e", f"{name}={value}")]
    if errand.words[0] == INDEX:
        # Files that only their owner may read are read as well, as they are by the operator of a stack: root.
        words += ["--user", "0:0", "--cap-add", "DAC_OVERRIDE", "--workdir", f"{HOST}{here}"]
        words += [word for path in errand.mounts for word in ("--volume", f"{path}:{HOST}{path}:ro")]
    return (*words, SERVICE, "python", "/app/cli.py", *errand.words)


#: What of the shell a command looks at.
_TOLD = ("COLUMNS", "FORCE_COLOR", "MAITRE_VERBOSE", "NO_COLOR", "SSH_CLIENT", "TERM")


def _without_house(words: Sequence[str]) -> tuple[list[str], str | None]:
    kept: list[str] = []
    house, left = None, list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            return [*kept, word, *left], house
        if word == "--house" and left:
            house = left.pop(0)
        elif word.startswith("--house="):
            house = word.removeprefix("--house=")
        else:
            kept.append(word)
    return kept, house


def _paths(words: Sequence[str]) -> list[str]:
    """The files, folders and patterns that `cli index` is given."""
    found: list[str] = []
    left = list(words[1:])
    while left:
        word = left.pop(0)
        if word == "--":
            return [*found, *left]
        if word == "--collection":
            left = left[1:]
        elif not word.startswith("-"):
            found.append(word)
    return found


def _mounts(paths: Sequence[str], here: str, exists: Callable[[str], bool]) -> tuple[str, ...]:
    """What must be seen for these paths: each that is there, of a pattern the folder before its first wildcard."""
    wanted: set[str] = set()
    for path in paths:
        whole = normpath(join(here, path))
        while whole != "/" and (":" in whole or (has_magic(whole) and not exists(whole))):
            whole = dirname(whole)  # a colon would end the path in Docker's words
        if exists(whole):
            wanted.add(whole)
    return tuple(one for one in sorted(wanted) if not wanted & {str(above) for above in PurePosixPath(one).parents})
