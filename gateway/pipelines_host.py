"""The hardened host of the upstream Pipelines server: one ASGI application around the unmodified one.

    MAITRE_HOUSE=… PIPELINES_DIR=… python -m maitre.http.http_server gateway.pipelines_host:app --port …

In a container MAITRE_PLUGINS names the image's plugins; the server gets a copy of them in PIPELINES_DIR.

Every request carries the key, or is answered 401; only `GET /healthz` and `GET /readyz` are not asked for it. Turns of
our own models are served here by the process's one engine; everything else by the upstream server's own code and its
plugins.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.application import Application
from gateway.host import Host
from gateway.quiet import hush
from gateway.upstream_server import UpstreamServer
from maitre import portal
from maitre.app import Engine
from maitre.pipelines_server import copy_plugins, server_folder
from maitre.settings import find_house, load_house

#: `on` opens the upstream server's routes that load, remove and describe plugins.
MANAGEMENT = "MAITRE_PIPELINES_MANAGEMENT"

#: The folder whose plugins are copied to where the server looks for them; without it they are there already.
PLUGINS = "MAITRE_PLUGINS"

DRAIN = 3.0  # seconds that cancelled turns get to end


@asynccontextmanager
async def opened() -> AsyncIterator[Host]:
    """The host of the house in MAITRE_HOUSE, with its engine on this loop and its plugins loaded."""
    loop = asyncio.get_running_loop()
    hush(loop)
    house = load_house(find_house())
    engine = Engine(house)
    door = portal.Portal(engine, loop)
    watch = asyncio.create_task(door.watch())
    try:
        await engine.start()
        if plugins := os.environ.get(PLUGINS):
            copy_plugins(Path(plugins), Path(os.environ["PIPELINES_DIR"]))
        upstream = UpstreamServer(server_folder(), house.secret("pipelines_key"))
        host = Host(engine, upstream, os.environ.get(MANAGEMENT) == "on")
        portal.host(door)
        async with upstream.lifespan():
            upstream.hush()
            yield host
            await host.turns.end(DRAIN)
            door.end_turns()
    finally:
        portal.host(None)
        watch.cancel()
        await engine.close()


app = Application(opened)
