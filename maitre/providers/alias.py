"""A public model id that stands for several providers' models, in the order in which they are asked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maitre.providers.provider import Model


@dataclass(frozen=True, slots=True)
class Alias:
    """What a guest may ask for by one id: `use` are ids of providers' models, the first one asked first."""

    id: str
    name: str
    use: tuple[str, ...]


def members(id: str, written: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The providers' models behind an id, each once; `written` are the aliases, which may name one another but not in
    a loop."""
    if id not in written:
        return (id,)
    return tuple(dict.fromkeys(model for one in written[id] for model in members(one, written)))


def loop(id: str, written: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The way from an alias back to itself; empty where there is none."""
    ways: list[tuple[str, ...]] = [(id,)]
    seen = set[str]()
    while ways:
        way = ways.pop()
        for one in written.get(way[-1], ()):
            if one == id:
                return (*way, id)
            if one not in seen:
                seen.add(one)
                ways.append((*way, one))
    return ()


def models_of(id: str, models: Mapping[str, Model], aliases: Mapping[str, Alias]) -> tuple[Model, ...]:
    """The models behind a public id, the one to ask first before the others; empty when there is no such id."""
    if alias := aliases.get(id):
        return tuple(models[one] for one in alias.use)
    return (models[id],) if id in models else ()


def asked_as(model: str, plan: Sequence[str], aliases: Mapping[str, Alias]) -> str:
    """The public id under which a guest of a plan (its public ids) reaches a provider's model: its own where the plan
    has it, else that of an alias, the plan's before others."""
    behind = [alias.id for alias in aliases.values() if model in alias.use]
    return model if model in plan else next((id for id in behind if id in plan), next(iter(behind), model))


def on_the_menu(
    models: Mapping[str, Model], aliases: Mapping[str, Alias], plans: Iterable[Sequence[str]]
) -> dict[str, str]:
    """Public ids and names of all that is offered, aliases first: no model that only stands behind an alias, which
    none of the `plans` (each its public ids) names."""
    named = {id for plan in plans for id in plan}
    behind = {id for alias in aliases.values() for id in alias.use}
    shown = {alias.id: alias.name for alias in aliases.values()}
    return shown | {id: model.name for id, model in models.items() if id not in behind or id in named}
