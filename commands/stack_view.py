"""A deployed house on the screen, in the forms of the embedded one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from commands.house_view import logins, show_known, show_logins
from commands.output import console
from commands.stack import deployed
from maitre.settings import House

if TYPE_CHECKING:
    from compose.workshop import Workshop


def stack_json(house: House) -> dict[str, Any]:
    """The public form of `cli status --json` for a house of containers, deployed or not; see docs/cli.md."""
    from commands.counted import counted_inside, nothing
    from compose.workshop import is_deployed

    if not is_deployed(house.state):
        return {"mode": "docker", "endpoints": {}, "logins": logins(house), **nothing()}
    workshop = deployed(house)
    told = counted_inside(workshop)
    return {"mode": "docker", "endpoints": _endpoints(workshop), "logins": logins(house), **told}


def show_stack(house: House) -> None:
    """Print the services with their containers and addresses, and who can sign in."""
    from commands.counted import counted_inside
    from compose.workshop import is_deployed

    if not is_deployed(house.state):
        _show_undeployed(house)
        return
    workshop = deployed(house)
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
    console.print(f"Deployed: release {workshop.journal.current()}.", highlight=False)
    if is_up(house.state):
        console.print("An embedded house is up in this folder too; this is the stack. `cli down` stops the other one.")
    told = counted_inside(workshop)
    show_known(told if "langfuse_web" in workshop.deployed else {**told, "counters": {}})  # else nobody takes traces
    show_logins(house)
    show_administrator(house)


def _show_undeployed(house: House) -> None:
    from compose.deploy.journal import Journal
    from compose.deploy.releases import sentence, unfinished

    how = f"The house in {house.directory} is not deployed yet. `cli deploy` does that."
    if broken := unfinished(Journal(house.state).all()):
        how = f"{sentence(broken)} `cli deploy` finishes it, `cli destroy` undoes it."
    console.print(how, markup=False, highlight=False)


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
