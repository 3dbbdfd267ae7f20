"""A part of the house: what to run, when it is ready, how it ends. Built as a value; `devstack.house` runs it."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from devstack.places import PASSED_ON
from devstack.process import Command
from maitre.settings import Endpoint


def nothing() -> None:
    """No work to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the house and the promises about it.

    `prepare` writes the files it needs, just before it starts. `check` runs once it is ready and raises
    HouseError if it is ready but of no use. `patience` and `grace` are seconds: to become ready, and to end.
    `watches` is text on which the process depends besides its command; `up` restarts it when that changes.
    """

    name: Endpoint
    title: str
    port: int
    url: str = field(repr=False)  # may hold a password
    command: Command
    healthy: Callable[[], bool]
    needs: tuple[Endpoint, ...] = ()
    prepare: Callable[[], None] = nothing
    check: Callable[[], None] = nothing
    patience: float = 60
    stop_signal: int = signal.SIGTERM
    grace: float = 4
    watches: str = ""

    @property
    def fingerprint(self) -> str:
        """Changes when the part must be restarted to obey its house; tells nothing about the secrets in it."""
        # Without what the operator's shell passed on: `up` from another shell is no reason to restart.
        own = {name: value for name, value in self.command.env.items() if name not in PASSED_ON}
        told = json.dumps([self.command.argv, own, self.watches], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]
