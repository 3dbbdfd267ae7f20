"""What runs, written down: `.maitre/state.json` for us, `.maitre/endpoints.json` for everybody else (both mode 600)."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from devstack.places import state_folder, write_private
from devstack.process import Identity
from maitre.errors import HouseError
from maitre.settings import Endpoint


@dataclass(frozen=True, slots=True)
class Started:
    """A part that was started and not stopped by us since; whether it still runs must be asked."""

    name: Endpoint
    who: Identity
    port: int
    url: str = field(repr=False)
    log: Path
    fingerprint: str
    stop_signal: int
    grace: float  # seconds it may take to end


def read(state: Path) -> dict[Endpoint, Started]:
    """What was started, in the order of starting. Raises HouseError when the file is spoilt."""
    file = state / "state.json"
    try:
        rows = json.loads(file.read_text("utf-8"))["parts"]
        return {
            cast(Endpoint, row["name"]): Started(**{**row, "who": Identity(**row["who"]), "log": Path(row["log"])})
            for row in rows
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as spoilt:
        raise HouseError(
            f"{file} cannot be read ({spoilt}). Stop the house's processes by hand, then delete the file."
        ) from spoilt


def write(state: Path, parts: Mapping[Endpoint, Started]) -> None:
    """Write down what runs. With nothing left the files go away."""
    file, endpoints = state / "state.json", state / "endpoints.json"
    if not parts:
        file.unlink(missing_ok=True)
        endpoints.unlink(missing_ok=True)
        return
    rows = [{**asdict(part), "log": str(part.log)} for part in parts.values()]
    write_private(file, json.dumps({"parts": rows}, indent=2) + "\n")
    write_private(endpoints, json.dumps({name: part.url for name, part in parts.items()}, indent=2) + "\n")


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Only one `up` or `down` at a time works on a house. Raises HouseError when another one does."""
    with (state_folder(state) / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise HouseError(f"Another command (pid {pid}) is starting or stopping this house; wait for it.") from busy
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
