"""What is measured of a gateway's process, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

#: Seconds. An answer may be a list of models, or a long thought.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Measures:
    """The numbers of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "maitre_requests_total", "Answered requests.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "maitre_request_seconds",
            "From a request to the end of its answer.",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._running = 0
        running = Gauge("maitre_running", "Requests being answered.", registry=self._registry)
        running.set_function(lambda: self._running)
        self._children: dict[tuple[str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def begun(self) -> None:
        """A request began."""
        self._running += 1

    def ended(self, route: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is a pattern: a path has names in it."""
        # Looking a label up costs more than counting.
        found = self._children.get((route, status))
        if found is None:
            counted, timed = self._requests.labels(route, str(status)), self._seconds.labels(route)
            found = self._children[route, status] = counted.inc, timed.observe
        count, observe = found
        count()
        observe(seconds)
        self._running -= 1

    def exposed(self, more: Mapping[str, float], levels: Mapping[str, float], connections: Mapping[str, int]) -> bytes:
        """All of them as text. `more`: counters that others keep, by name; `levels`: what is just now, by name;
        `connections`: by who is at their other end."""
        lines = [f"# TYPE maitre_{name} counter\nmaitre_{name} {value}\n" for name, value in sorted(more.items())]
        lines += [f"# TYPE maitre_{name} gauge\nmaitre_{name} {value}\n" for name, value in sorted(levels.items())]
        lines += ["# TYPE maitre_connections gauge\n"]
        lines += [f'maitre_connections{{to="{to}"}} {count}\n' for to, count in sorted(connections.items())]
        return generate_latest(self._registry) + "".join(lines).encode()
