"""The pure difference of every resource, case by case: what is wanted + what is live -> sentences."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from maitre.accounts.account import Account
from maitre.assistants.assistant import Assistant
from maitre.knowledge.collection import Collection, Readers
from maitre.quota.plan import Plan
from maitre.settings import User
from provisioning.change import Change
from provisioning.documents import File, WantedCollection
from provisioning.resources import (
    accounts,
    assistants,
    collections,
    connection,
    groups,
    members,
    models,
    plans,
    settings,
    users,
    valves,
)
from tests.provisioning.cases import cases

Case = dict[str, Any]
PIPELINES = connection.Connection("http://pipes:9099", "key")


def _users(rows: list[Case]) -> list[User]:
    return [
        User(
            row["email"],
            row.get("name", ""),
            row.get("role", "user"),
            row.get("plan"),
            tuple(row.get("groups", ())),
            False,
        )
        for row in rows
    ]


def _web(rows: list[Case]) -> dict[str, users.WebUser]:
    return {row["email"]: users.WebUser(**row) for row in rows}


def _plans(case: Case) -> list[Change]:
    return plans.diff(
        *({slug: Plan(slug=slug, **row) for slug, row in case[side].items()} for side in ("wanted", "live"))
    )


def _assistants(case: Case) -> list[Change]:
    return assistants.diff(
        *({slug: Assistant(slug=slug, **row) for slug, row in case[side].items()} for side in ("wanted", "live"))
    )


def _people(case: Case) -> list[Change]:
    return users.diff([users.WantedUser(**row) for row in case["wanted"]], _web(case["live"]))


def _accounts(case: Case) -> list[Change]:
    live = {row["user_id"]: Account(**row) for row in case["live"]}
    return accounts.diff(_users(case["wanted"]), live, _web(case["web"]), case.get("new", []))


def _groups(case: Case) -> list[Change]:
    return groups.diff(
        [groups.WantedGroup(**row) for row in case["wanted"]], [groups.WebGroup(**row) for row in case["live"]]
    )


def _members(case: Case) -> list[Change]:
    wanted = [groups.WantedGroup(key, name, "") for key, name in case["groups"].items()]
    found = {key: groups.WebGroup(key, name, "", key) for key, name in case["groups"].items()}
    web = {email: users.WebUser(email, email, "", "user", frozenset(inside)) for email, inside in case["web"].items()}
    return members.diff(wanted, found, _users(case["users"]), web, case["plans"], case.get("arrivals", ()))


def _document(side: Case) -> Case:
    return {
        "ENABLE_OPENAI_API": True,
        "OPENAI_API_BASE_URLS": side["urls"],
        "OPENAI_API_KEYS": side["keys"],
        "OPENAI_API_CONFIGS": side["configs"],
    }


def _connection(case: Case) -> list[Change]:
    return connection.diff(PIPELINES, _document(case["live"]))


def _grants(rows: list[list[str]]) -> list[Case]:
    return [dict(zip(("principal_type", "principal_id", "permission"), row, strict=True)) for row in rows]


def _models(case: Case) -> list[Change]:
    wanted = [models.WantedModel(**{**row, "readers": tuple(row.get("readers", ()))}) for row in case["wanted"]]
    live = {id: {**row, "access_grants": _grants(row.get("access_grants", []))} for id, row in case["live"].items()}
    for row in live.values():
        capabilities = row["meta"].get("capabilities", {})
        if capabilities.pop("ours", False):  # short for all capabilities as we want them
            row["meta"]["capabilities"] = {**wanted[0].capabilities, **capabilities}
    return models.diff(wanted, live, {"g-free": "plan:free", "g-pro": "plan:pro"})


def _settings(case: Case) -> list[Change]:
    wanted = {
        name: {
            key: settings.GroupId(value["group"]) if isinstance(value, dict) else value for key, value in keys.items()
        }
        for name, keys in case["wanted"].items()
    }
    return settings.diff(wanted, case["live"], case.get("groups", {}), frozenset(case.get("models", ())))


def _valves(case: Case) -> list[Change]:
    return valves.diff(case["live"])


def _collection(name: str, row: Case) -> WantedCollection:
    files = {key: File(Path(key), digest) for key, digest in row.pop("files", {}).items()}
    owner, unmatched, unfit = row.pop("owner", "a@x.io"), tuple(row.pop("unmatched", ())), row.pop("unfit", {})
    who = row.pop("readers", {})
    readers = Readers(who.get("everyone", False), *(tuple(who.get(kind, ())) for kind in ("users", "groups")))
    collection = Collection(**{"name": name, "title": name, "readers": readers, **row})
    return WantedCollection(collection, owner, "vectors", files, unmatched, unfit)


def _live(name: str, row: Case) -> collections.LiveCollection:
    plain: Case = {"title": name, "description": "", "language": "simple", "index": "hnsw", "model": "vectors"}
    plain |= {"owner": {"user": "u", "email": "a@x.io"}, "documents": len(row.get("documents", ()))}
    nobody = {"everyone": False, "users": [], "groups": [], "assistants": []}
    documents = {
        key: {
            "id": key,
            "status": one.get("status", "ready"),
            "fault": one.get("fault", ""),
            "metadata": {collections.MARK: one["mark"]} if "mark" in one else {},
        }
        for key, one in row.pop("documents", {}).items()
    }
    return collections.LiveCollection({**plain, "readers": nobody, **row}, documents)


def _collections(case: Case) -> list[Change]:
    case = deepcopy(case)
    wanted = [_collection(name, row) for name, row in case["wanted"].items()]
    return collections.diff(
        wanted, {name: _live(name, row) for name, row in case.get("live", {}).items()}, {"a@x.io", "b@x.io"}
    )


DIFF: dict[str, Callable[[Case], list[Change]]] = {
    "plans": _plans,
    "assistants": _assistants,
    "users": _people,
    "accounts": _accounts,
    "groups": _groups,
    "members": _members,
    "connection": _connection,
    "models": _models,
    "settings": _settings,
    "valves": _valves,
    "collections": _collections,
}


@pytest.mark.parametrize(
    ("resource", "case"), cases(), ids=lambda value: value["holds"] if isinstance(value, dict) else value
)
def test_the_difference_is_told_in_sentences(resource: str, case: Case) -> None:
    """Every case of tests/cases/provisioning gives exactly its sentences, in order."""
    changes = DIFF[resource](case)

    assert case["sentences"] == [change.sentence for change in changes]
    assert {resource} >= {change.resource for change in changes}


@pytest.mark.parametrize(
    "case", [case for name, case in cases() if name == "connection" and "after" in case], ids=lambda c: c["holds"]
)
def test_the_connections_are_written_whole(case: Case) -> None:
    """What is sent keeps every connection of others, in its place, with its settings."""
    (change,) = _connection(case)

    assert _document(case["after"]) == change.payload


@pytest.mark.parametrize(
    "case", [case for name, case in cases() if name == "models" and "foreign" in case], ids=lambda c: c["holds"]
)
def test_grants_of_others_are_sent_back(case: Case) -> None:
    """Open WebUI replaces all grants of a row, so those that are not ours are part of what is sent."""
    (change,) = _models(case)

    assert _grants(case["foreign"]) == change.payload[2]
