"""A tracer of a house without a Langfuse."""

from __future__ import annotations

from collections.abc import Mapping

from maitre.tracing.trace import Report, ToolReport

#: In the place of Langfuse's URL: there is none.
NOWHERE = "none"


class Untraced:
    """A Tracer that keeps nothing, and counts nothing as dropped."""

    def report(self, report: Report | ToolReport) -> None:
        """Nobody hears of it."""

    def counters(self) -> Mapping[str, int]:
        return {"traces_sent": 0, "traces_dropped": 0}

    def close(self) -> None:
        """There is nothing to send."""
