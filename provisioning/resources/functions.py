"""Our Function in Open WebUI, which stamps turns in a house without Pipelines: there, on, and for every model.

Its valves hold the secret of the stamps; Open WebUI shows valves to administrators only. A house with Pipelines has
no such Function, and Open WebUI does not know the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioning.change import Change, listed
from provisioning.openwebui_http import OpenWebUI
from provisioning.world import World

ID = "maitre"
SOURCE = Path(__file__).parent.parent.parent / "functions" / "maitre.py"


@dataclass(frozen=True, slots=True)
class WantedFunction:
    """The Function as it shall be."""

    content: str
    valves: Mapping[str, Any] = field(repr=False)


def wanted(secret: str) -> WantedFunction:
    """The Function of this copy of Maitre, signing with the house's secret."""
    return WantedFunction(SOURCE.read_text("utf-8"), {"secret": secret})


def read(web: OpenWebUI) -> Mapping[str, Any] | None:
    """Our Function with its valves, if it is there."""
    return next((one for one in web.get("/api/v1/functions/export", include_valves="true") if one["id"] == ID), None)


def diff(wanted: WantedFunction | None, live: Mapping[str, Any] | None) -> list[Change]:
    """Install it, mend it, or take it away."""
    if wanted is None:
        return [] if live is None else [Change("functions", "remove", ID, "Remove the Function that stamps turns.")]
    if live is None:
        says = "Install the Function that stamps turns, for every model."
        return [Change("functions", "create", ID, says, (wanted, {}))]
    if differing := _differing(wanted, live):
        says = f"Mend the Function that stamps turns: {listed(differing)}."
        return [Change("functions", "update", ID, says, (wanted, live))]
    return []


def _differing(wanted: WantedFunction, live: Mapping[str, Any]) -> list[str]:
    pairs = {
        "source": (live.get("content"), wanted.content),
        "valves": (live.get("valves") or {}, wanted.valves),
        "active": (live.get("is_active"), True),
        "global": (live.get("is_global"), True),
    }
    return [name for name, (there, should) in pairs.items() if there != should]


def apply(change: Change, world: World) -> None:
    """Carry the change out. It signs rightly before it is switched on."""
    path = f"/api/v1/functions/id/{ID}"
    if change.action == "remove":
        world.web.delete(f"{path}/delete")
        return
    function, live = change.payload
    what = {"id": ID, "name": "Maitre's stamp", "content": function.content}
    body = {**what, "meta": {"description": "Tells Maitre's gateway of which chat and page a turn is."}}
    world.web.post("/api/v1/functions/create" if change.action == "create" else f"{path}/update", body)
    world.web.post(f"{path}/valves/update", function.valves)
    for switch, route in {"is_active": "toggle", "is_global": "toggle/global"}.items():
        if not live.get(switch):
            world.web.post(f"{path}/{route}")
