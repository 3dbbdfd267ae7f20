"""A running house as its tests see it: guests, chats through every door, the ledger, and tools to break things."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from devstack.house import status
from maitre.accounts.account import Account
from maitre.books import open_books
from maitre.settings import House
from provisioning.logins import passwords_of

TIMEOUT = (10, 120)  # seconds: to connect, to wait for an answer


@dataclass(frozen=True)
class Guest:
    """Somebody who is signed in to Open WebUI."""

    user_id: str
    email: str
    password: str
    token: str


class Inn:
    """A house that is up and seeded."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.url = house.endpoint("open_webui")
        admin = next(user for user in house.users if user.role == "admin")
        self.admin = self.login(admin.email)

    @property
    def parts(self) -> set[str]:
        """The names of the parts that run."""
        return {one.name for one in status(self.house) if one.healthy}

    def login(self, email: str) -> Guest:
        """A demo user, signed in."""
        return self.sign_in(email, passwords_of(self.house)[email])

    def sign_in(self, email: str, password: str) -> Guest:
        """Anybody, signed in."""
        answer = requests.post(
            f"{self.url}/api/v1/auths/signin", json={"email": email, "password": password}, timeout=TIMEOUT
        )
        answer.raise_for_status()
        return Guest(answer.json()["id"], email, password, answer.json()["token"])

    def call(self, method: str, path: str, guest: Guest | None = None, **how: Any) -> requests.Response:
        """A request to Open WebUI as the guest, or as the administrator."""
        headers = {"Authorization": f"Bearer {(guest or self.admin).token}", **how.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=TIMEOUT, **how)

    def new_guest(self, plan: str | None = "wide", role: str = "user") -> Guest:
        """A fresh guest: an Open WebUI user in the plan's group, and an account with the plan."""
        email, password = f"g-{uuid.uuid4().hex[:10]}@maitre.example", uuid.uuid4().hex
        made = self.call(
            "POST",
            "/api/v1/auths/add",
            json={"name": "Guest", "email": email, "password": password, "role": role},
        )
        made.raise_for_status()
        user_id = made.json()["id"]
        if plan is not None:
            name = self.house.plans[plan].name
            groups = self.call("GET", "/api/v1/groups/").json()
            group = next(group for group in groups if group["name"].endswith(name))
            joined = self.call("POST", f"/api/v1/groups/id/{group['id']}/users/add", json={"user_ids": [user_id]})
            joined.raise_for_status()
            self.put_account(Account(user_id, email, "Guest", "user", plan))
        return self.sign_in(email, password)

    def put_account(self, account: Account) -> None:
        """Write an account into Maitre's database."""

        async def put() -> None:
            async with open_books(self.house) as books:
                await books.put_account(account)

        asyncio.run(put())

    def api_key(self, guest: Guest) -> Guest:
        """The same guest, with an Open WebUI API key (`sk-…`) for a token."""
        made = self.call("POST", "/api/v1/auths/api_key", guest)
        made.raise_for_status()
        return Guest(guest.user_id, guest.email, guest.password, made.json()["api_key"])

    def chat(
        self, guest: Guest, model: str, text: str, *, stream: bool = False, door: str = "/api", **body: Any
    ) -> requests.Response:
        """One chat completion through Open WebUI; `door` is /api or /openai."""
        messages = body.pop("messages", [{"role": "user", "content": text}])
        whole = {"model": model, "stream": stream, "messages": messages, **body}
        return self.call("POST", f"{door}/chat/completions", guest, json=whole, stream=stream)

    def rows(self, guest: Guest) -> list[dict[str, Any]]:
        """The guest's ledger rows, the newest first."""

        async def read() -> list[dict[str, Any]]:
            async with open_books(self.house) as books:
                account = await books.find_account(guest.user_id)
                return [] if account is None else await books.usage(account, None, 10_000)

        return asyncio.run(read())

    def all_rows(self) -> list[dict[str, Any]]:
        """Everybody's ledger rows."""

        async def read() -> list[dict[str, Any]]:
            async with open_books(self.house) as books:
                return await books.usage(None, None, 1_000_000)

        return asyncio.run(read())

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """A trace with its observations, over Langfuse's public API; None until it is there."""
        keys = (self.house.secret("langfuse_public_key"), self.house.secret("langfuse_secret_key"))
        url = f"{self.house.endpoint('traces')}/api/public/traces/{trace_id}"
        answer = requests.get(url, auth=keys, timeout=TIMEOUT)
        return answer.json() if answer.status_code == 200 else None

    def settled(self, guest: Guest) -> list[dict[str, Any]] | None:
        """The guest's rows when none is open, else None: to be waited for."""
        rows = self.rows(guest)
        return None if any(row["status"] == "open" for row in rows) else rows

    def windows(self, guest: Guest) -> dict[tuple[str, str], dict[str, Any]]:
        """The guest's windows by resource and window."""

        async def read() -> dict[str, Any]:
            async with open_books(self.house) as books:
                account = await books.find_account(guest.user_id)
                assert account is not None, "an account begins with the first message"
                return await books.explain(account)

        return {(one["resource"], one["window"]): one for one in asyncio.run(read())["windows"]}


def by(*ways: str) -> pytest.MarkDecorator:
    """Keeps a test, or a module's tests, to these connections of Open WebUI."""
    return pytest.mark.parametrize("running_house", ways, indirect=True, scope="package")


def events(answer: requests.Response) -> Iterator[Mapping[str, Any]]:
    """The JSON events of a streamed answer."""
    for line in answer.iter_lines():
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


def text_of(answer: requests.Response) -> str:
    """The text of a streamed answer."""
    choices = [choice for event in events(answer) for choice in event.get("choices") or ()]
    return "".join((choice.get("delta") or {}).get("content") or "" for choice in choices)


def error_of(answer: requests.Response) -> str | None:
    """The message of a streamed answer's error: a real one before the first event, else an event; or None."""
    if answer.status_code != 200:
        return str(answer.json()["error"]["message"])
    found = [event["error"]["message"] for event in events(answer) if event.get("error")]
    return found[0] if found else None


def script(**what: Any) -> str:
    """A message that tells the scripted upstream what to do."""
    return f"Please follow script:{json.dumps(what)}"
