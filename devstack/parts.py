"""Which parts a house has, and who talks to whom."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from devstack import embedder, gateway, llama_cpp, open_webui, pipelines, postgres, rag, traces, valkey
from devstack.part import Part
from maitre.settings import Endpoint, House
from provisioning.resources.connection import Connection, connection_of
from provisioning.resources.settings import FileEmbeddings, file_embeddings


def names(house: House) -> tuple[Endpoint, ...]:
    """The parts of the house, in the order in which they are started: the slowest first."""
    upstream: tuple[Endpoint, ...] = ("upstream",) if llama_cpp.wanted(house) else ()
    embedding: tuple[Endpoint, ...] = ("embedder",) if embedder.wanted(house) else ()
    pipelines: tuple[Endpoint, ...] = ("pipelines",) if house.webui.connection == "pipelines" else ()
    knowledge: tuple[Endpoint, ...] = ("rag", "rag_worker") if rag.wanted(house) else ()
    return ("open_webui", "postgres", "valkey", *upstream, *embedding, "traces", *pipelines, "gateway", *knowledge)


def addressed(house: House) -> tuple[Endpoint, ...]:
    """The parts that have a port: those of the house, and both servers that Open WebUI can be connected to, so that a
    house whose setting was changed can still be asked how it is."""
    return tuple(dict.fromkeys((*names(house), "pipelines", "gateway")))


def of(house: House, ports: Mapping[Any, int], wanted: Collection[Endpoint]) -> dict[Endpoint, Part]:
    """The wanted parts, each on its port, in the order of `names`. Raises HouseError when something that they
    need is missing from the machine or the house."""
    below = {
        "postgres": postgres.part,
        "valkey": valkey.part,
        "upstream": llama_cpp.part,
        "embedder": embedder.part,
        "traces": traces.part,
    }
    every: dict[str, Part] = {name: make(house, ports[name]) for name, make in below.items() if name in wanted}
    urls = {part.name: part.url for part in every.values()}
    for name, make_door in {"pipelines": pipelines.part, "gateway": gateway.part}.items():
        if name in wanted:
            every[name] = make_door(house, ports[name], urls, _handed_on() | _knowledge(house, ports))
    for name, make_knowing in {"rag": rag.service, "rag_worker": rag.worker}.items():
        if name in wanted:
            every[name] = make_knowing(house, ports[name], _known(urls, ports), _handed_on())
    if "open_webui" in wanted:
        every["open_webui"] = open_webui.part(house, ports["open_webui"], _asked(house, ports), _files(house, ports))
    return {name: every[name] for name in names(house) if name in every}


def _asked(house: House, ports: Mapping[Any, int]) -> Connection:
    part = house.webui.connection
    return connection_of(house, f"http://127.0.0.1:{ports[part]}")


def _files(house: House, ports: Mapping[Any, int]) -> FileEmbeddings | None:
    return file_embeddings(house, f"http://127.0.0.1:{ports['gateway']}")


def _knowledge(house: House, ports: Mapping[Any, int]) -> dict[str, str]:
    """Where the engine finds the RAG service. It need not be there: without it a turn goes on without passages."""
    return {"MAITRE_RAG_URL": rag.url(ports["rag"])} if rag.wanted(house) and "rag" in ports else {}


def _known(urls: Mapping[Endpoint, str], ports: Mapping[Any, int]) -> dict[Endpoint, str]:
    """What the RAG service talks to: its database, and the gateway for embeddings."""
    found: dict[Endpoint, str] = {"gateway": f"http://127.0.0.1:{ports['gateway']}"}
    return found | ({"postgres": urls["postgres"]} if "postgres" in urls else {})


#: What the Pipelines server may see of the operator's MAITRE_*: secrets, and whether plugins may be loaded over HTTP.
HANDED_ON = ("MAITRE_SECRET_", "MAITRE_PIPELINES_MANAGEMENT")


def _handed_on() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(HANDED_ON)}
