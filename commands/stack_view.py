"""A deployed house on the screen, in the forms of the embedded one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from commands.house_view import NAMES, logins
from commands.output import console
from commands.stack import looked_at
from maitre.settings import House

if TYPE_CHECKING:
    from compose.workshop import Workshop


def stack_json(house: House) -> dict[str, Any]:
    """The public form of `cli status --json` for a deployed house; see docs/cli.md. Stores publish no port, so what
    they count is not asked."""
    return {
        "mode": "docker",
        "endpoints": _endpoints(looked_at(house)),
        "logins": _logins(house),
        "counters": {},
        "suspended": [],
    }


def show_stack(house: House) -> None:
    """Print the services with their containers and addresses, and the logins."""
    workshop = looked_at(house)
    running = workshop.engine.containers()
    table = Table("", "service", "address", "containers", box=None, pad_edge=False)
    endpoints = _endpoints(workshop)
    titles: dict[str, str] = {str(name): title for name, title in NAMES.items()}
    for name, one in endpoints.items():
        mark = "[green]✓[/]" if one["healthy"] else "[red]✗[/]"
        containers = ", ".join(seen.name for seen in running.of(name))
        title = titles.get(name, name.replace("_", " ").capitalize())
        table.add_row(mark, title, escape(one["url"] or "–"), containers or "–")
    console.print(table)
    for seen in running.containers:
        if seen.service in endpoints and seen.fault:
            console.print(f"[red]{escape(seen.name)} {escape(seen.fault)}[/]", highlight=False)
    if current := workshop.journal.current():
        console.print(f"Deployed: release {current}.", highlight=False)
    if (house.state / "state.json").is_file():
        console.print("An embedded house is up in this folder too; this is the stack. `cli down` stops the other one.")
    _show_logins(house)


def _logins(house: House) -> list[dict[str, str | None]]:
    file = str(house.state / "logins.json")
    return [{**row, "password": None, "password_file": file} for row in logins(house)]


def _show_logins(house: House) -> None:
    """Print who can sign in, and where their passwords are."""
    if rows := _logins(house):
        people = Table("sign in as", "plan", box=None, pad_edge=False)
        for row in rows:
            people.add_row(escape(row["email"] or "–"), escape(row["plan"] or "–"))
        console.print()
        console.print(people)
        console.print(
            f"Their passwords: sudo cat {rows[0]['password_file']}", markup=False, highlight=False, soft_wrap=True
        )


def _endpoints(workshop: Workshop) -> dict[str, dict[str, Any]]:
    running, hosts = workshop.engine.containers(), workshop.first.hosts
    found: dict[str, dict[str, Any]] = {}
    for name, one in workshop.deployed.items():
        if one.job:
            continue
        seen = running.of(name)
        found[name] = {
            "url": workshop.url(hosts[name]) if name in hosts else None,
            "pid": seen[0].pid if seen else None,
            "healthy": bool(seen) and all(container.well for container in seen),
        }
    return found
