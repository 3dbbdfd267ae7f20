"""The scripted upstream for a synchronous test: on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.upstream.server import ScriptedUpstream


@contextmanager
def running_upstream(kind: type[ScriptedUpstream] = ScriptedUpstream, **options: Any) -> Iterator[ScriptedUpstream]:
    """A started upstream; `options` are those of ScriptedUpstream. Read its `calls` from any thread."""
    upstream = kind(**options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="scripted-upstream", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(upstream.start(), loop).result(timeout=10)
        try:
            yield upstream
        finally:
            asyncio.run_coroutine_threadsafe(upstream.stop(), loop).result(timeout=10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
