"""What there is to ask for: all of the house for a list, and what one user's plan and key open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from maitre.assistants.assistant import Assistant
from maitre.chat import inlet
from maitre.chat.message import Guest
from maitre.chat.reception import Reception
from maitre.keys.key import Key
from maitre.providers.alias import Alias, on_the_menu
from maitre.providers.provider import Model
from maitre.quota.plan import Plan


class Files(Protocol):
    """The plans, assistants and models as the house's files say."""

    @property
    def plans(self) -> Mapping[str, Plan]:
        """The plans by slug."""

    @property
    def assistants(self) -> Mapping[str, Assistant]:
        """The assistants by slug."""

    @property
    def models(self) -> Mapping[str, Model]:
        """The providers' models by id."""

    @property
    def aliases(self) -> Mapping[str, Alias]:
        """The aliases by id."""


class Menu:
    """The house's models under their public ids."""

    def __init__(self, reception: Reception, files: Files) -> None:
        self._reception, self._files = reception, files

    def offered(self, door: str) -> list[dict[str, str]]:
        """The models of a manifold (`assistants` or `models`) as the Pipelines server lists them; from memory."""
        # Until Postgres was read once, the house's files are the best guess; what is served is never guessed.
        catalogue = known if (known := self._reception.catalogue).version else self._files
        if door == "assistants":
            assistants = catalogue.assistants
            listed = [(one.slug, one.name) for one in assistants.values() if one.enabled]
            listed.append((inlet.REFUSED.partition(".")[2], "Refused"))
        else:
            plans = [plan.models for plan in catalogue.plans.values()]
            listed = list(on_the_menu(self._files.models, self._files.aliases, plans).items())
        return [{"id": id, "name": name} for id, name in listed]

    def serves(self, model: str) -> bool:
        """Whether one of our manifolds offers the model of this public id."""
        door, _, id = model.partition(".")
        return inlet.is_ours(model) and any(one["id"] == id for one in self.offered(door))

    def public_id(self, name: str) -> str:
        """The public id of what a client calls a model: with its manifold before it, else an assistant's slug, else a
        model's id."""
        if inlet.is_ours(name):
            return name
        return f"{'assistants' if name in self._reception.catalogue.assistants else 'models'}.{name}"

    async def offers(self, guest: Guest, key: Key | None) -> list[tuple[str, str]]:
        """What a guest may use, as public ids and names: assistants first. Raises Refusal, StoreDown."""
        _, plan = await self._reception.welcome(guest)
        assistants = self._reception.catalogue.assistants.values()
        offered = [(f"assistants.{one.slug}", one.name) for one in assistants if one.open_to(plan.slug)]
        names = on_the_menu(self._files.models, self._files.aliases, [plan.models])
        offered += [(f"models.{id}", names[id]) for id in plan.models if id in names]
        return [(id, name) for id, name in offered if key is None or key.opens(id)]
