"""What the routes share: the engine, its turns, and who calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.caller import Caller, Callers
from gateway.exchange import Exchange
from gateway.measures import Measures
from gateway.own_turns import OwnTurns
from maitre.app import Engine


@dataclass(frozen=True, slots=True)
class Api:
    """The public API of one engine."""

    engine: Engine
    turns: OwnTurns
    callers: Callers
    measures: Measures


#: Answers one request of a caller of whom we are sure.
Handler = Callable[[Api, Exchange, Caller], Awaitable[None]]

#: Answers one request of anybody.
OpenHandler = Callable[[Api, Exchange], Awaitable[None]]
