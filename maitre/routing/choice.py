"""Which way a turn goes: the first rule that fits it and leads to an assistant that its guest may use. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from maitre.routing.letters import language_of
from maitre.routing.routing import Routing, Rule, Way
from maitre.routing.words import contains


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules may ask of a turn. `text` is the guest's last message; `language` what their browser says."""

    account: str
    plan: str
    groups: Sequence[str]
    text: str
    language: str


def choose(
    slug: str, routing: Routing, facts: Facts, open_to: Callable[[str], bool], like: str | None = None
) -> Way | None:
    """The way of the turn, or None when no rule leads anywhere. `open_to` knows whether the guest may use an
    assistant; `like`: the one that the question is most like, which goes before the default."""
    for rule in routing.rules:
        if like is not None and rule is routing.rules[-1] and open_to(like):
            return Way(like)
        if fits(rule, facts):
            way = rule.ways[0] if len(rule.ways) == 1 else drawn(f"{slug}:{facts.account}", rule.ways)
            if open_to(way.assistant):
                return way
    return None


def undecided(slug: str, routing: Routing, facts: Facts, open_to: Callable[[str], bool]) -> bool:
    """Whether no rule but the default leads anywhere."""
    return choose(slug, replace(routing, rules=routing.rules[:-1]), facts, open_to) is None


def fits(rule: Rule, facts: Facts) -> bool:
    """Whether the turn is as the rule says; what costs least is asked first."""
    return (
        (not rule.plans or facts.plan in rule.plans)
        and (not rule.groups or any(group in rule.groups for group in facts.groups))
        and (not rule.languages or language_of(facts.text, facts.language) in rule.languages)
        and (not rule.contains or contains(facts.text, rule.contains))
    )


def drawn(key: str, ways: Sequence[Way]) -> Way:
    """One of the ways, by weight, and for one key always the same."""
    total = sum(way.weight for way in ways)
    point = int.from_bytes(hashlib.sha256(key.encode("utf-8", "replace")).digest()[:8], "big") % total
    for way in ways:
        point -= way.weight
        if point < 0:
            return way
    raise AssertionError("unreachable: the weights are positive")
