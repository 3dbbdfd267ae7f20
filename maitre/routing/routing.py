"""A router's rules: what a turn must be like to go an assistant's way. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maitre.known import known


@dataclass(frozen=True, slots=True)
class Way:
    """One assistant that turns may go to. `variant` is empty where there is no split; `weight` is its share among the
    ways of one."""

    assistant: str
    variant: str = ""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """Turns that fit all of its conditions go one of its ways. A condition that is empty fits every turn."""

    ways: tuple[Way, ...]
    contains: tuple[str, ...] = ()  # any of these words or phrases; `plan*`: any word that begins so
    plans: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # any of these
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Similar:
    """Where no rule fits, the assistant among these that a question is most like, if it is so by this margin: a
    difference of cosines."""

    assistants: tuple[str, ...]
    margin: float


@dataclass(frozen=True, slots=True)
class Routing:
    """The rules in their order, the last one without conditions, which is the default."""

    rules: tuple[Rule, ...]
    similar: Similar | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Routing:
        """The routing that `asdict` made this of."""
        similar = value.get("similar")
        named = Similar(tuple(similar["assistants"]), similar["margin"]) if similar else None
        return cls(tuple(_rule(rule) for rule in value["rules"]), named)


def _rule(value: Mapping[str, Any]) -> Rule:
    conditions = {name: tuple(value[name]) for name in ("contains", "plans", "groups", "languages")}
    return Rule(tuple(Way(**known(Way, way)) for way in value["ways"]), **conditions)
