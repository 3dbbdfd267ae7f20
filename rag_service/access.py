"""Who may read a collection, and who may manage it. Pure; the database is asked with the same marks.

A grant opens a collection to a caller who carries its mark: the pair of its kind and its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rag_service.callers import Caller

Role = Literal["owner", "reader"]
Kind = Literal["user", "group", "assistant", "everyone"]
Mark = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a collection is, who pays for its embeddings: a user, by id, by e-mail or both."""

    user: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read besides the owner: users by id or e-mail, groups by name, assistants by slug."""

    everyone: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    assistants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """What `who` may do, as the table `grants` has it."""

    role: Role
    kind: Kind
    who: str


def marks(caller: Caller) -> frozenset[Mark]:
    """The marks that the caller carries."""
    found: set[Mark] = {("everyone", ""), ("user", caller.user_id.lower())}
    if "@" in caller.email:  # else it could pass for an id
        found.add(("user", caller.email.lower()))
    found |= {("group", group) for group in caller.groups if group}
    if caller.assistant:
        found.add(("assistant", caller.assistant))
    return frozenset(found)


def may_read(caller: Caller, grants: Iterable[Grant]) -> bool:
    """Whether the caller sees the collection of these grants at all."""
    carried = marks(caller)
    return caller.operator or any((grant.kind, grant.who) in carried for grant in grants)


def may_manage(caller: Caller, grants: Iterable[Grant]) -> bool:
    """Whether the caller may change the collection of these grants, its documents and its jobs."""
    return may_read(caller, [grant for grant in grants if grant.role == "owner" and grant.kind == "user"])


def grants_of(owner: Owner, readers: Readers) -> set[Grant]:
    """The rows that say this."""
    found = {Grant("owner", "user", who.lower()) for who in (owner.user, owner.email) if who}
    found |= {Grant("reader", "user", who.lower()) for who in readers.users}
    found |= {Grant("reader", "group", who) for who in readers.groups}
    found |= {Grant("reader", "assistant", who) for who in readers.assistants}
    return found | ({Grant("reader", "everyone", "")} if readers.everyone else set())


def owner_of(grants: Iterable[Grant]) -> Owner:
    """The owner whom the rows name."""
    names = sorted(grant.who for grant in grants if grant.role == "owner")
    return Owner(
        next((name for name in names if "@" not in name), ""), next((name for name in names if "@" in name), "")
    )


def readers_of(grants: Iterable[Grant]) -> Readers:
    """The readers whom the rows name."""
    named = sorted((grant.kind, grant.who) for grant in grants if grant.role == "reader")

    def of(kind: Kind) -> tuple[str, ...]:
        return tuple(who for found, who in named if found == kind)

    return Readers(("everyone", "") in named, of("user"), of("group"), of("assistant"))
