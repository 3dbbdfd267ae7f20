"""A deployed house whose guests talk to a scripted upstream, which is quick, does as it is told and remembers every
call; and what the ledger must say of those calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from compose.running import Container, container, running
from devstack.places import ROOT
from devstack.process import wait_until
from maitre.errors import HouseError
from tests.docker.deployed import PROJECT, SCRIPTED, SCRIPTED_PORT, Deployed
from tests.user_jwt import mint

UPSTREAM = f"{PROJECT}-upstream"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Busy:
    """The house."""

    deployed: Deployed

    def of(self, service: str) -> tuple[Container, ...]:
        """The containers of a service, as a deploy sees them."""
        return running([container(one) for one in self.deployed.containers().values()]).of(service)

    def ids(self) -> set[str]:
        """Every container."""
        return {str(one["Id"]) for one in self.deployed.containers().values()}

    def address(self, name: str) -> str:
        """Where a container is reached from here. Raises HouseError while it has no address."""
        told = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        found = self.deployed.engine.docker("inspect", "--format", told, name).split()
        if not found:
            raise HouseError(f"{name} does not run.")
        return found[0]

    def doors(self) -> dict[str, str]:
        """Where each of our servers is called: at Traefik's internal entry points, as the house's own parts do."""
        traefik = self.address(f"{PROJECT}-traefik-1")
        return {"gateway": f"http://{traefik}:8000", "pipelines": f"http://{traefik}:9099"}

    def headers(self, door: str) -> dict[str, str]:
        """What Open WebUI sends with a guest's call."""
        house, user = self.deployed.house, f"guest-of-{door}"
        guest = {"id": user, "email": f"{user}@maitre.example", "name": "Guest", "role": "user"}
        key = house.secret("gateway_key" if door == "gateway" else "pipelines_key")
        return {"Authorization": f"Bearer {key}", "X-OpenWebUI-User-Jwt": mint(house.secret("user_jwt"), guest)}

    def rows(self) -> list[Row]:
        """The ledger's rows of the scripted model."""
        statement = f"select coalesce(json_agg(ledger), '[]') from ledger where model = '{SCRIPTED}'"
        rows: list[Row] = json.loads(self.deployed.psql(statement))
        return rows

    def calls(self) -> list[dict[str, Any]]:
        """What the upstream remembers."""
        log = requests.get(f"http://{self.address(UPSTREAM)}:{SCRIPTED_PORT}/_log?brief", timeout=60)
        calls: list[dict[str, Any]] = log.json()
        return calls


@contextmanager
def upstream(deployed: Deployed) -> Iterator[None]:
    """The scripted upstream, which remembers nothing yet, in the house's network of models."""
    engine = deployed.engine
    (image,) = {str(one["Config"]["Image"]) for name, one in deployed.containers().items() if "-gateway-" in name}
    engine.docker(
        *("run", "--detach", "--init", "--name", UPSTREAM, "--network", f"{PROJECT}_models"),
        *("--network-alias", "upstream", "--volume", f"{ROOT / 'tests'}:/scripted/tests:ro"),
        *("--env", "PYTHONPATH=/scripted", image, "python", "-m", "tests.upstream"),
        *("--host", "0.0.0.0", "--port", str(SCRIPTED_PORT), "--forget-bytes"),
    )
    try:
        assert wait_until(lambda: "http" in engine.docker("logs", UPSTREAM), 60, every=0.2)
        yield
    finally:
        engine.docker("rm", "--force", UPSTREAM)


def untrue(rows: list[Row], calls: list[dict[str, Any]], *, broken: bool) -> list[str]:
    """What the ledger does not say of the calls. `broken`: whether a server may have died in the middle of some."""
    made, known = Counter(str(call["request_id"]) for call in calls), {str(row["request_id"]): row for row in rows}
    found = [f"{id} was called {count} times" for id, count in made.items() if count > 1]
    found += [f"{id} was called, and has no row" for id in made if id not in known]
    if not broken:
        found += [f"{id} ({row['status']}) was never called" for id, row in known.items() if id not in made]
    for call in calls:
        if row := known.get(str(call["request_id"])):
            found += [
                f"{row['request_id']} ({row['status']}, {row['kind']}) {what}" for what in _amiss(row, call, broken)
            ]
    return found


def _amiss(row: Row, call: Mapping[str, Any], broken: bool) -> Iterator[str]:
    counted, usage = (row["prompt_tokens"], row["completion_tokens"]), call["usage"] or {}
    sent = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    if row["status"] == "open":
        yield "is still open"
    elif not broken and row["status"] != "done":
        yield f"is not done, and the upstream's call {call['ended']}"
    elif row["status"] == "done" and not row["estimated"] and counted != sent:
        yield f"says {counted}, and the upstream {sent}"
