"""The one-chat story of `cli up --once`: a seeded guest signs in, chats with an assistant, and reads the bill."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import requests
from rich.markup import escape

from commands import quota, traces, usage
from commands.output import console
from maitre.assistants.assistant import Assistant
from maitre.errors import HouseError
from maitre.settings import House, User
from provisioning.logins import passwords_of

QUESTION = "Say hello and name one good habit."
ANSWER = 120.0  # seconds that the small model may take
TRACE = 20.0  # seconds until the trace must be there


def tell(house: House) -> None:
    """Chat once over HTTP as a guest, and print the answer, its usage, what is left, and its trace."""
    guest, assistant = guest_of(house), assistant_of(house)
    session = sign_in(house, guest)
    console.print(f"\n[bold]{escape(guest.name)}[/] asks [bold]{escape(assistant.name)}[/]: {QUESTION}")
    for piece in chat(session, house, f"assistants.{assistant.slug}", QUESTION):
        console.print(piece, end="", markup=False, highlight=False)
    console.print("\n")
    row = _soon("The call is not on the ledger.", lambda: _settled(house, guest))
    console.print(usage.table([row], house))
    console.print()
    console.print(quota.table(asyncio.run(quota.windows_of(house, guest.email))["windows"], house))
    console.print()
    trace = _soon("The trace did not arrive.", lambda: _trace(house, row))
    console.print(traces.table([trace], house))


def guest_of(house: House) -> User:
    """The demo user with the smallest plan, who is no administrator."""
    passwords = passwords_of(house)
    guests = [user for user in house.users if user.role != "admin" and user.email in passwords]
    if not guests:
        raise HouseError("No demo user can sign in: maitre.yaml needs a user with `demo: true` besides the admin.")
    return min(guests, key=lambda user: house.plans[user.plan].price if user.plan else 0)


def assistant_of(house: House) -> Assistant:
    """The first chat assistant that is open to that guest, English ones first: the small model reads no other."""
    plan = guest_of(house).plan or house.default_plan or ""
    chats = [
        one for one in house.assistants.values() if one.open_to(plan) and one.type == "chat" and not one.json_answer
    ]
    if not chats:
        raise HouseError(f"No chat assistant is open to the plan “{plan}”.")
    return min(chats, key=lambda one: (one.language not in (None, "en"), one.slug))


def sign_in(house: House, user: User) -> requests.Session:
    """A session of the user in Open WebUI."""
    session = requests.Session()
    answer = session.post(
        f"{house.endpoint('open_webui')}/api/v1/auths/signin",
        json={"email": user.email, "password": passwords_of(house)[user.email]},
        timeout=30,
    )
    if answer.status_code != 200:
        raise HouseError(f"{user.email} cannot sign in to Open WebUI ({answer.status_code}). `cli seed` mends it.")
    session.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return session


def chat(session: requests.Session, house: House, model: str, text: str) -> Any:
    """The pieces of a streamed answer. Raises HouseError with the sentence of a refusal."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}], "max_tokens": 48}
    url = f"{house.endpoint('open_webui')}/api/chat/completions"
    with session.post(url, json=body, stream=True, timeout=(10, ANSWER)) as answer:
        if answer.status_code != 200:
            raise HouseError(f"Open WebUI refused the chat ({answer.status_code}): {answer.text[:300]}")
        for line in answer.iter_lines():
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if event.get("error"):
                raise HouseError(str(event["error"].get("message", event["error"])))
            for choice in event.get("choices") or ():
                yield (choice.get("delta") or {}).get("content") or ""


def _settled(house: House, guest: User) -> dict[str, Any] | None:
    rows = asyncio.run(usage.rows_of(house, guest.email, None, 1))
    return rows[0] if rows and rows[0]["status"] != "open" else None


def _trace(house: House, row: dict[str, Any]) -> dict[str, Any] | None:
    found = traces.traces_of(house, row["user"], 10)
    return next((trace for trace in found if trace["id"] == row["trace_id"]), None)


def _soon(failure: str, look: Any) -> Any:
    until = time.monotonic() + TRACE
    while (found := look()) is None:
        if time.monotonic() > until:
            raise HouseError(failure)
        time.sleep(0.2)
    return found
