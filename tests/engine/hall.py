"""A Pipelines server with Postgres and Valkey, whose parts can be stopped, killed, frozen and started one by one.

hall.stop("postgres"); hall.chat("hello"); hall.start("postgres")

The server is our hardened host, or the bare upstream server: `hall.become(bare=True)`.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import requests

from devstack import gateway, parts, pipelines, ports, scaffold, state
from devstack.part import Part
from devstack.places import folder, state_folder
from devstack.process import Identity, alive, start, stop, wait_until
from devstack.state import Started
from maitre.accounts.account import Account
from maitre.books import Books, open_books
from maitre.chat.message import Stamp
from maitre.chat.stamp import KEY, sign
from maitre.errors import HouseError
from maitre.keys.key import Key
from maitre.settings import Endpoint, House, load_house
from tests.engine.servers import MANNERS, Manners
from tests.engine.small_house import ASSISTANTS, HOUSE, write_house
from tests.raw_socket import RawAnswer, raw_chat
from tests.user_jwt import headers_of

T = TypeVar("T")

#: Plugins of somebody else, which the servers load beside ours.
NEIGHBOURS = Path(__file__).parent / "plugins"

STORES: tuple[Endpoint, ...] = ("postgres", "valkey")


class Hall:
    """The server and its stores. `traces`: where the engine sends its traces; `text`: another house, `assistants`: its
    own."""

    def __init__(
        self,
        folder_of_house: Path,
        upstream: str,
        traces: str,
        text: str = HOUSE,
        assistants: Mapping[str, str] = ASSISTANTS,
    ) -> None:
        write_house(folder_of_house, upstream, text, assistants)
        scaffold.make_secrets(folder_of_house)
        self.house: House = load_house(folder_of_house)
        names: tuple[Endpoint, ...] = (*STORES, "pipelines", "gateway")
        self.ports = ports.sticky(self.house.state / "ports.json", names, {})
        self.parts: dict[Endpoint, Part] = parts.of(self.house, self.ports, STORES)
        self.who: dict[Endpoint, Identity] = {}
        self.bare = False
        self.traces = traces

    @property
    def traces(self) -> str:
        """Where the engine sends its traces from its next start on."""
        return self._traces

    @traces.setter
    def traces(self, url: str) -> None:
        self._traces = url
        self.parts["pipelines"] = self.server(self.ports["pipelines"])
        behind: dict[Endpoint, str] = {"traces": url, **{name: self.parts[name].url for name in STORES}}
        self.parts["gateway"] = gateway.part(self.house, self.ports["gateway"], behind, {})
        urls = {"traces": url, **{name: part.url for name, part in self.parts.items()}}
        (self.house.state / "endpoints.json").write_text(json.dumps(urls))

    def server(self, port: int, behind: Mapping[Endpoint, str] | None = None) -> Part:
        """A Pipelines server of this house on the port. `behind`: other addresses of its stores."""
        urls: dict[Endpoint, str] = {"traces": self._traces, **{name: self.parts[name].url for name in STORES}}
        part = pipelines.part(self.house, port, {**urls, **(behind or {})}, {}, bare=self.bare)

        def prepare() -> None:
            part.prepare()
            for plugin in NEIGHBOURS.glob("*.py"):
                shutil.copy(plugin, self.house.state / "pipelines")

        return replace(part, prepare=prepare)

    @property
    def manners(self) -> Manners:
        """In what the server that runs differs from the other one."""
        return MANNERS["bare" if self.bare else "host"]

    def become(self, *, bare: bool) -> None:
        """Serve by the bare upstream server, or by the host."""
        if bare != self.bare:
            self.bare = bare
            if "pipelines" in self.who:
                self.stop("pipelines")
            self.traces = self._traces
            self.start("pipelines")

    # ── breaking and mending ──

    def start(self, *names: Endpoint, wait: bool = True) -> None:
        """Start parts, and wait until they are healthy."""
        for name in names:
            part = self.parts[name]
            part.prepare()
            self.who[name] = start(part.command, self.log(name))
        for name in names if wait else ():
            if not wait_until(self.parts[name].healthy, 60):
                raise HouseError(f"{name} does not become healthy; see {self.log(name)}")
            self.parts[name].check()

    def stop(self, *names: Endpoint) -> float:
        """Stop parts as `cli down` does, but with ten seconds of patience; how many seconds it took.
        Raises HouseError when one had to be killed."""
        since = time.monotonic()
        for name in names:
            if not stop(self.who[name], self.parts[name].stop_signal, 10):
                raise HouseError(f"{name} did not stop within 10 seconds of its signal.")
        return time.monotonic() - since

    def kill(self, *names: Endpoint) -> None:
        """SIGKILL, as a crash would."""
        for name in names:
            stop(self.who[name], signal.SIGKILL, 5)

    @contextmanager
    def frozen(self, name: Endpoint) -> Iterator[None]:
        """Within, the part holds its connections and answers nothing."""
        family = [self.who[name].pid, *_children(self.who[name].pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(family):
                os.kill(pid, signal.SIGCONT)

    def forget(self, name: Endpoint) -> None:
        """Delete the data of a part that is down."""
        shutil.rmtree(self.house.state / name)

    def log(self, name: Endpoint) -> Path:
        """The log file of a part; it goes on over restarts."""
        return folder(state_folder(self.house.state) / "logs") / f"{name}.log"

    def write_down(self) -> None:
        """Write down what runs, so that `cli` finds it."""
        running = {}
        for name, who in self.who.items():
            part = self.parts[name]
            code = int(part.stop_signal)
            running[name] = Started(name, who, part.port, part.url, self.log(name), part.fingerprint, code, part.grace)
        state.write(self.house.state, running)
        self.traces = self._traces

    def close(self) -> None:
        """End everything, the server first."""
        for name in ("pipelines", "gateway", *reversed(STORES)):
            if name in self.who and alive(self.who[name]):
                stop(self.who[name], self.parts[name].stop_signal, 10)

    # ── guests ──

    @property
    def url(self) -> str:
        """The server's address."""
        return self.parts["pipelines"].url

    def guest(self, plan: str = "wide") -> dict[str, str]:
        """A fresh guest with a plan, as the `user` of a request body."""
        id = uuid.uuid4().hex
        user = {"id": id, "email": f"{id[:8]}@maitre.example", "name": "Guest", "role": "user"}
        self.ask(lambda books: books.put_account(Account(id, user["email"], "Guest", "user", plan)))
        return user

    def key(self, guest: Mapping[str, str], **fields: Any) -> str:
        """The text of a fresh API key of the guest."""
        key = Key(secrets.token_hex(8), guest["id"], "test", datetime.now(UTC), **fields)
        return self.ask(lambda books: books.keys.add(key))

    def body(self, guest: Mapping[str, str], text: str = "hello", **more: Any) -> dict[str, Any]:
        """A chat completion's body."""
        messages = [{"role": "user", "content": text}]
        return {"model": "assistants.host", "stream": False, "messages": messages, "user": guest, **more}

    def stamped(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body as it comes from a browser's turn, after our inlet."""
        turn = uuid.uuid4().hex
        mark = Stamp(body["user"]["id"], body["model"], turn, int(time.time()) + 600, chat_id="c", browser=True)
        return {**body, KEY: sign(mark, self.house.secret("stamp"))}

    def chat(self, guest: Mapping[str, str], text: str = "hello", **more: Any) -> requests.Response:
        """A chat completion, not streamed unless asked."""
        return self.post(self.body(guest, text, **more), guest)

    def raw(self, guest: Mapping[str, str], text: str = "hello", **more: Any) -> RawAnswer:
        """A streamed chat completion on a raw socket."""
        return self.raw_post(self.body(guest, text, stream=True, **more), guest)

    def headers(self, guest: Mapping[str, str] | None = None) -> dict[str, str]:
        """What Open WebUI sends with a call for the guest; the bare server does not ask for it."""
        return headers_of(self.house, guest)

    def post(self, body: Mapping[str, Any], guest: Mapping[str, str], url: str = "") -> requests.Response:
        """A body of a chat completion, as Open WebUI posts it for the guest."""
        target = f"{url or self.url}/v1/chat/completions"
        return requests.post(target, json=body, headers=self.headers(guest), timeout=90)

    def raw_post(self, body: dict[str, Any] | bytes, guest: Mapping[str, str]) -> RawAnswer:
        """The same on a raw socket."""
        return raw_chat(self.url, body, headers=self.headers(guest))

    # ── the books ──

    def ask(self, question: Callable[[Books], Awaitable[T]]) -> T:
        """Ask the operator's books."""

        async def look() -> T:
            async with open_books(self.house) as books:
                return await question(books)

        return asyncio.run(look())

    def rows(self, guest: Mapping[str, str]) -> list[dict[str, Any]]:
        """The guest's ledger rows, the newest first."""
        account = Account(guest["id"], guest["email"], guest["name"])
        return self.ask(lambda books: books.usage(account, None, 10_000))

    def settled(self, guest: Mapping[str, str], count: int = 1) -> list[dict[str, Any]] | None:
        """The guest's rows when there are so many and none is open, else None: to be waited for."""
        rows = self.rows(guest)
        return rows if len(rows) == count and all(row["status"] != "open" for row in rows) else None

    def windows(self, guest: Mapping[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
        """The guest's windows by resource and window."""

        async def read(books: Books) -> dict[str, Any]:
            account = await books.find_account(guest["id"])
            assert account is not None, "the guest has an account"
            return await books.explain(account)

        return {(one["resource"], one["window"]): one for one in self.ask(read)["windows"]}

    def agrees(self, guest: Mapping[str, str]) -> bool:
        """Whether the live windows say what the ledger says, with nothing open or held."""
        rows, windows = self.rows(guest), self.windows(guest)
        spent = sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)
        return bool(
            all(row["status"] != "open" for row in rows)
            and all(windows["tokens", span]["used"] == spent for span in ("day", "month", "total"))
            and windows["requests", "month"]["used"] == sum(row["counted"] for row in rows)
            and windows["tokens", "total"]["held"] == 0
        )

    def fresh_log(self) -> Callable[[], str]:
        """What the server writes into its log from now on."""
        log = self.log("pipelines")
        size = log.stat().st_size
        return lambda: log.read_bytes()[size:].decode("utf-8", "replace")

    def execute(self, statement: str, *values: Any) -> None:
        """Change Maitre's database by hand."""

        async def run() -> None:
            connection = await asyncpg.connect(self.parts["postgres"].url)
            try:
                await connection.execute(statement, *values)
            finally:
                await connection.close()

        asyncio.run(run())


def resident(pid: int) -> int:
    """A process's resident memory in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))) * 1024


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
