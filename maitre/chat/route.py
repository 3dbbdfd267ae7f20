"""The way of a turn whose guest leaves the choice to a router; pure. A turn of any other model has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maitre.accounts.account import Account
from maitre.assistants.catalogue import Catalogue
from maitre.chat.message import TurnRequest
from maitre.chat.prompt import text_of
from maitre.chat.terms import strictest
from maitre.errors import UnknownModel
from maitre.quota.plan import Plan
from maitre.routing.choice import Facts, choose, undecided
from maitre.routing.routing import Routing, Similar, Way


@dataclass(frozen=True, slots=True)
class Crossing:
    """A router that was asked for, and what its rules may know of the turn."""

    slug: str
    name: str
    routing: Routing
    facts: Facts
    plan: Plan
    catalogue: Catalogue

    def open_to(self, name: str) -> bool:
        """Whether the guest may use the assistant."""
        assistant = self.catalogue.assistants.get(name)
        return assistant is not None and assistant.routing is None and assistant.open_to(self.plan.slug)

    @property
    def similar(self) -> Similar | None:
        """Among whom the question has to be compared, where the rules do not decide."""
        if self.routing.similar is None or not undecided(self.slug, self.routing, self.facts, self.open_to):
            return None
        return self.routing.similar

    @property
    def record(self) -> str:
        """The most that may be recorded of a question before it is known who answers."""
        names = {way.assistant for rule in self.routing.rules for way in rule.ways}
        names |= set(self.routing.similar.assistants) if self.routing.similar else set()
        return strictest("full", *(one.record for name in names if (one := self.catalogue.assistants.get(name))))

    def way(self, like: str | None) -> Way:
        """Where the turn goes; `like`: the assistant that the question is most like. Raises UnknownModel when nothing
        is open to the guest."""
        way = choose(self.slug, self.routing, self.facts, self.open_to, like)
        if way is None:
            raise UnknownModel("not_in_plan", model=self.name, plan=self.plan.name)
        return way


def crossing(
    request: TurnRequest,
    groups: Sequence[str],
    account: Account,
    plan: Plan,
    catalogue: Catalogue,
) -> Crossing | None:
    """The router that was asked for; None when it was none. `groups` are the guest's. Raises UnknownModel when it
    is not in the plan."""
    slug = request.model.removeprefix("assistants.")
    router = catalogue.assistants.get(slug) if slug != request.model else None
    if router is None or router.routing is None or not router.enabled:
        return None
    if not router.open_to(plan.slug):
        raise UnknownModel("not_in_plan", model=router.name, plan=plan.name)
    stamp = request.stamp
    language = (stamp.language if stamp else "")[:2].lower()
    facts = Facts(account.user_id, plan.slug, groups, last_words(request), language)
    return Crossing(slug, router.name, router.routing, facts, plan, catalogue)


def last_words(request: TurnRequest) -> str:
    """The text of the guest's last message."""
    for message in reversed(request.messages):
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):  # which nobody has checked yet
                content = [part for part in content if isinstance(part, Mapping)]
            return text_of(content)
    return ""
