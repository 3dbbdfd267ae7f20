"""A scripted OpenAI-compatible upstream, for tests and benchmarks."""

from tests.upstream.calls import Call
from tests.upstream.server import ScriptedUpstream
from tests.upstream.thread import running_upstream

__all__ = ["Call", "ScriptedUpstream", "running_upstream"]
