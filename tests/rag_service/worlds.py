"""Random houses: who there is, whose the collections are, and what may be asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.rag_service.desk import Person

WORDS = ("dog", "cat", "ship", "moon", "bread", "winter")

#: Values that mean something to a database, or would if they were not values.
NASTY = (
    "' or true --", '") or 1=1 --', "%s", "%(operator)s", "$1", "'; drop table documents; --", "\\", "*", "%", "_",
    "{}", '{"everyone": true}', "null", "public", "everyone", "operator", "collections", "\u202e", "x' collate \"C",
    "1) or (collection > 0", "jsonb '{}'", "*/ or true /*", "${jndi}", "..", "c0", "c1",
)  # fmt: skip

IDS = tuple(f"u{number}" for number in range(4))
#: Names that collide: a group that is called like a user, an assistant like a group.
GROUPS = ("staff", "u1", "clerk", "everyone", "' or true --", "")
ASSISTANTS = ("clerk", "staff", "u2", "everyone")
OPERATORS = (
    "==", "!=", ">", ">=", "<", "<=", "in", "nin", "any", "all", "contains", "text_match", "text_match_insensitive",
    "is_empty",
)  # fmt: skip
KEYS = ("tenant", "n", "tags", "title", "url", "collection", "id", "absent", "metadata", "c.id", *NASTY)


def email(user: str) -> str:
    """A user's e-mail."""
    return f"{user}@House.example"


@dataclass(frozen=True)
class Shelf:
    """A collection: its owner, its readers as the API takes them, and how many documents it has."""

    owner: str
    everyone: bool
    users: frozenset[str]
    groups: frozenset[str]
    assistants: frozenset[str]
    documents: int
    by_email: bool

    def readers(self) -> dict[str, Any]:
        """As the API takes them."""
        users = [email(user) if self.by_email else user for user in sorted(self.users)]
        lists = {"users": users, "groups": sorted(self.groups), "assistants": sorted(self.assistants)}
        return {"everyone": self.everyone, **lists}

    def open_to(self, person: Person) -> bool:
        """Whether that person may read it: the rule, in other words than the service's."""
        if person.operator or self.everyone or person.user_id == self.owner or person.user_id in self.users:
            return True
        return bool(self.groups & set(person.groups)) or person.assistant in self.assistants


people = st.builds(
    lambda user, groups, assistant: Person(user, email(user), tuple(sorted(groups)), assistant),
    st.sampled_from((*IDS, "stranger")),
    st.frozensets(st.sampled_from(GROUPS), max_size=2),
    st.sampled_from(("", *ASSISTANTS)),
)

shelves = st.builds(
    Shelf,
    owner=st.sampled_from(IDS),
    everyone=st.integers(0, 5).map(lambda drawn: drawn == 5),
    users=st.frozensets(st.sampled_from(IDS), max_size=1),
    groups=st.frozensets(st.sampled_from([group for group in GROUPS if group]), max_size=1),
    assistants=st.frozensets(st.sampled_from(ASSISTANTS), max_size=1),
    documents=st.integers(1, 2),
    by_email=st.booleans(),
)

_scalars = st.one_of(
    st.sampled_from(NASTY), st.sampled_from(IDS), st.integers(-2, 9), st.booleans(), st.none(), st.text(max_size=5)
)
_filters = st.builds(
    lambda key, operator, value: {"key": key, "operator": operator, "value": value},
    st.sampled_from(KEYS),
    st.sampled_from(OPERATORS),
    st.one_of(_scalars, st.lists(_scalars, max_size=3)),
)
groups_of_filters = st.recursive(
    st.builds(
        lambda filters, condition: {"filters": filters, "condition": condition},
        st.lists(_filters, min_size=1, max_size=3),
        st.sampled_from(("and", "or", "not")),
    ),
    lambda inner: st.builds(
        lambda filters, condition: {"filters": filters, "condition": condition},
        st.lists(inner, min_size=1, max_size=2),
        st.sampled_from(("and", "or", "not")),
    ),
    max_leaves=3,
)

questions = st.fixed_dictionaries(
    {
        "question": st.one_of(
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join), st.sampled_from(NASTY)
        ),
        "mode": st.sampled_from(("hybrid", "dense", "text")),
        "limit": st.sampled_from((1, 50)),
    },
    optional={"mmr": st.sampled_from((0.0, 0.5, 1)), "filters": groups_of_filters},
)
