"""Who is in which group. Maitre's database decides the plan; a plan's group only mirrors it.

A plan's group holds exactly the users on that plan, whoever made them. In the house's own groups only the users
of maitre.yaml are ours: others stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from maitre.accounts.account import Account
from maitre.settings import User
from provisioning.change import Change, listed
from provisioning.resources.groups import GROUP, PLAN, WantedGroup, WebGroup
from provisioning.resources.users import WebUser
from provisioning.world import World


def plan_of(
    email: str,
    users: Mapping[str, User],
    web: Mapping[str, WebUser],
    accounts: Mapping[str, Account],
    plans: Collection[str],
    default: str | None,
) -> str | None:
    """The plan of a user once the accounts are as wanted: maitre.yaml's, else the account's, else the default."""
    named = users[email].plan if email in users else None
    there = web.get(email)
    if named is None and there is not None and (account := accounts.get(there.id)) is not None:
        named = account.plan
    return named if named in plans else default


def diff(
    wanted: Sequence[WantedGroup],
    found: Mapping[str, WebGroup],
    users: Sequence[User],
    web: Mapping[str, WebUser],
    plans: Mapping[str, str | None],
    arrivals: Iterable[str] = (),
) -> list[Change]:
    """Who joins and leaves each group.

    `plans` names the plan of every user there will be; `arrivals` are groups (keys) that a new user is put
    into by Open WebUI itself.
    """
    listed_in = {user.email: {GROUP + name for name in user.groups} for user in users}
    new = set(plans) - set(web)
    changes = []
    for group in wanted:
        there = found.get(group.key)
        inside = {email for email, user in web.items() if there is not None and there.id in user.groups}
        if group.key in arrivals:
            inside |= new
        if group.key.startswith(PLAN):
            should = {email for email, plan in plans.items() if plan is not None and PLAN + plan == group.key}
        else:
            should = (inside - set(listed_in)) | {
                email for email, keys in listed_in.items() if group.key in keys and email in plans
            }
        join, leave = sorted(should - inside), sorted(inside - should)
        if join or leave:
            says = [f"{listed(join)} join" + ("s" if len(join) == 1 else "")] if join else []
            says += [f"{listed(leave)} leave" + ("s" if len(leave) == 1 else "")] if leave else []
            sentence = f"In the group “{group.name}”: {'; '.join(says)}."
            changes.append(Change("members", "update", group.key, sentence, (join, leave)))
    return changes


def apply(change: Change, world: World) -> None:
    """Carry one change out."""
    id = world.group_ids[change.key]
    for emails, verb in zip(change.payload, ("add", "remove"), strict=True):
        if emails:
            body = {"user_ids": [world.user_ids[email] for email in emails]}
            world.web.post(f"/api/v1/groups/id/{id}/users/{verb}", body)
