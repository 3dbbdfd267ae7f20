"""The way of a turn whose guest leaves the choice to a router; pure. A turn of any other model has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maitre.accounts.account import Account
from maitre.assistants.catalogue import Catalogue
from maitre.chat.message import TurnRequest
from maitre.chat.prompt import text_of
from maitre.errors import UnknownModel
from maitre.quota.plan import Plan
from maitre.routing.choice import Facts, choose
from maitre.routing.routing import Way


def route(
    request: TurnRequest,
    groups: Mapping[str, Sequence[str]],
    account: Account,
    plan: Plan,
    catalogue: Catalogue,
) -> Way | None:
    """Where the router that was asked for sends the turn; None when it was no router. `groups` are those of the
    house's users, by e-mail. Raises UnknownModel when it is not in the plan, or leads to no assistant that is."""
    slug = request.model.removeprefix("assistants.")
    router = catalogue.assistants.get(slug) if slug != request.model else None
    if router is None or router.routing is None or not router.enabled:
        return None
    if not router.open_to(plan.slug):
        raise UnknownModel("not_in_plan", model=router.name, plan=plan.name)
    stamp = request.stamp
    language = (stamp.language if stamp else "")[:2].lower()
    theirs = request.groups or groups.get(account.email.lower(), ())
    facts = Facts(account.user_id, plan.slug, theirs, last_words(request), language)

    def open_to(name: str) -> bool:
        assistant = catalogue.assistants.get(name)
        return assistant is not None and assistant.routing is None and assistant.open_to(plan.slug)

    way = choose(slug, router.routing, facts, open_to)
    if way is None:
        raise UnknownModel("not_in_plan", model=router.name, plan=plan.name)
    return way


def last_words(request: TurnRequest) -> str:
    """The text of the guest's last message."""
    for message in reversed(request.messages):
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):  # which nobody has checked yet
                content = [part for part in content if isinstance(part, Mapping)]
            return text_of(content)
    return ""
