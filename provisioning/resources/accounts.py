"""Accounts in Maitre's database: one for each user of maitre.yaml, keyed by the Open WebUI user id."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from maitre.accounts.account import Account
from maitre.settings import User
from provisioning.change import Change, fields_that_differ
from provisioning.resources.users import WebUser
from provisioning.world import World


def diff(
    wanted: Sequence[User], live: Mapping[str, Account], web: Mapping[str, WebUser], new: Collection[str]
) -> list[Change]:
    """Make and change accounts. `new` are the e-mails that Open WebUI will have by then.

    A user without a plan in maitre.yaml keeps the plan that the database has.
    """
    changes = []
    for user in wanted:
        if user.email not in web:
            if user.email in new:
                changes.append(_create(user))
            continue
        there = live.get(web[user.email].id)
        if there is None:
            changes.append(_create(user))
            continue
        kept = {"user_id": there.user_id, "plan": user.plan or there.plan, "suspended": there.suspended}
        account = replace(_account(user), **kept)  # type: ignore[arg-type]
        if account != there:
            sentence = f"Change the account of {user.email}: {fields_that_differ(there, account)}."
            changes.append(Change("accounts", "update", user.email, sentence, account))
    return changes


def _account(user: User) -> Account:
    return Account("", user.email, user.name, user.role, user.plan)  # the id is known once the user is there


def _create(user: User) -> Change:
    plan = f"with the plan {user.plan}" if user.plan else "without a plan"
    sentence = f"Open an account for {user.email} {plan}."
    return Change("accounts", "create", user.email, sentence, _account(user))


def apply(change: Change, world: World) -> None:
    """Carry one change out."""
    account = replace(change.payload, user_id=world.user_ids[change.key])
    world.books.do(world.books.books.put_account(account))
