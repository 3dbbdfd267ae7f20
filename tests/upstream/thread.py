"""The scripted upstream for a synchronous test: on an event loop in a thread of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from tests.loopback import in_a_thread
from tests.upstream.server import ScriptedUpstream


def running_upstream(
    kind: type[ScriptedUpstream] = ScriptedUpstream, **options: Any
) -> AbstractContextManager[ScriptedUpstream]:
    """A started upstream; `options` are those of ScriptedUpstream. Read its `calls` from any thread."""
    return in_a_thread(kind(**options), "scripted-upstream")
