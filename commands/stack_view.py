"""A deployed house on the screen, in the forms of the embedded one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from commands.house_view import logins, show_known
from commands.output import console
from commands.stack import looked_at
from maitre.settings import House

if TYPE_CHECKING:
    from compose.workshop import Workshop


def stack_json(house: House) -> dict[str, Any]:
    """The public form of `cli status --json` for a house of containers, deployed or not; see docs/cli.md."""
    from commands.counted import counted_inside, nothing
    from compose.workshop import is_begun

    if not is_begun(house.state):
        return {"mode": "docker", "endpoints": {}, "logins": _logins(house), **nothing()}
    workshop = looked_at(house)
    told = counted_inside(workshop)
    return {"mode": "docker", "endpoints": _endpoints(workshop), "logins": _logins(house), **told}


def show_stack(house: House) -> None:
    """Print the services with their containers and addresses, and who can sign in."""
    from commands.counted import counted_inside
    from compose.workshop import is_begun

    if not is_begun(house.state):
        how = f"The house in {house.directory} is not deployed yet. `cli deploy` does that."
        console.print(how, markup=False, highlight=False)
        return
    workshop = looked_at(house)
    running = workshop.engine.containers()
    table = Table("", "service", "address", "containers", box=None, pad_edge=False)
    endpoints = _endpoints(workshop)
    for name, one in endpoints.items():
        mark = "[green]✓[/]" if one["healthy"] else "[red]✗[/]"
        containers = ", ".join(seen.name for seen in running.of(name))
        table.add_row(mark, name, escape(one["url"] or "–"), containers or "–")
    console.print(table)
    for seen in running.containers:
        if seen.service in endpoints and seen.fault:
            console.print(f"[red]{escape(seen.name)} {escape(seen.fault)}[/]", highlight=False)
    if current := workshop.journal.current():
        console.print(f"Deployed: release {current}.", highlight=False)
    if is_up(house.state):
        console.print("An embedded house is up in this folder too; this is the stack. `cli down` stops the other one.")
    told = counted_inside(workshop)
    show_known(told if "langfuse_web" in workshop.deployed else {**told, "counters": {}})  # else nobody takes traces
    _show_logins(house)
    show_administrator(house)


def is_up(state: Path) -> bool:
    """Whether an embedded house was started in this folder."""
    return (state / "state.json").is_file()


def show_doors(workshop: Workshop) -> None:
    """Print where guests come in, and with which password the administrator does."""
    house, hosts = workshop.house, workshop.first.hosts
    for name, title, path in (("open_webui", "Open WebUI", ""), ("gateway", "API", "/v1")):
        if name in hosts and name in workshop.deployed:
            console.print(f"{title:<11}{workshop.url(hosts[name])}{path}", markup=False, highlight=False)
    show_administrator(house)


def show_administrator(house: House) -> None:
    """Print where the administrator's password is, if it is no demo user's."""
    from provisioning.logins import administrator, passwords_of

    admin = administrator(house).email
    if admin not in passwords_of(house):
        file = house.state / "secrets" / "webui_admin_password"
        console.print(f"Sign in as {admin} with the password in {file}.", markup=False, highlight=False, soft_wrap=True)


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
