"""A service's new containers beside its old ones: no moment without one that serves.

    1 start    new containers beside the old ones
    2 gate     all of them healthy
    3 switch   Traefik is told to send new requests to the new ones only, until it says that it does
    4 watch    real requests, while the old ones could take over again
    5 drain    SIGTERM to the old ones, all at once: they end what they have begun
    6 remove   the old ones

Until 5 whatever goes wrong, Ctrl-C too, leads back: requests go to the old ones, which have never stopped serving, and
the new ones are gone. From 5 on it only leads forward, because who drains takes no new requests. So a rollout that is
over, however it ended, leaves a service `old` or `new`, never between.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Protocol

from compose.deploy import steps
from compose.deploy.engine import Engine, EngineAway, StepFailed
from compose.deploy.steps import Compose
from compose.running import Container, Running
from maitre.errors import HouseError

WATCH = 10.0  # seconds that the new containers serve beside the old ones before those may go
SWITCH = 30.0  # seconds within which Traefik must have read its files
LOOK = 0.5  # seconds between two looks

#: Seconds that a server needs besides its drain time: its notice, and what it does with what it cuts
#: (maitre/http/http_server.py). Earlier than that nobody may kill it.
BESIDE_DRAIN = 30

#: Hears a sentence about how far it is.
Said = Callable[[str], None]


class Proxy(Protocol):
    """Traefik, as a rollout sees it."""

    def send(self, containers: tuple[Container, ...]) -> None:
        """Write down that their service's new requests go to these containers only."""
        ...

    def sends(self, service: str) -> frozenset[str] | None:
        """The names of the containers that a service's new requests go to now, by its own word; None when it does not
        run, so that nobody asks through it."""
        ...


class BesideRollout:
    """Replaces a service's containers; implements `compose.deploy.engine.Rollout`. `drain`: seconds for open streams;
    `stop`: whether the operator wants to break off."""

    def __init__(
        self,
        engine: Engine,
        proxy: Proxy,
        compose: Compose,
        drain: int,
        said: Said,
        now: Callable[[], float],
        pause: Callable[[float], None],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine, self._proxy, self._compose, self._drain = engine, proxy, compose, drain
        self._said, self._now, self._pause, self._stop = said, now, pause, stop

    def roll(self, service: str, replicas: int, patience: float) -> None:
        """New containers beside the old ones, healthy before those drain. Raises StepFailed when they do not become
        healthy or do not stay so, and KeyboardInterrupt: then the old ones serve as before."""
        old = self._serving(service)
        switched = False
        try:
            new = self._started(service, replicas, old)
            self._gate(new, patience)
            switched = True
            self._switch(service, new)
            self._watch(new)
        except BaseException as fault:
            try:
                self._back(service, old, switched)
            except EngineAway:
                raise
            except HouseError as second:
                raise StepFailed("\n".join([*filter(None, [str(fault)]), f"On the way back: {second}"])) from fault
            raise
        try:
            if old:
                self._said(
                    f"New requests go to {_names(new)}; {_names(old)} may end what was begun (at most {self._drain} s)."
                )
            if not self._end(old, self._drain + BESIDE_DRAIN, self._stop):
                self._cut(old)
        except KeyboardInterrupt:
            self._cut(old)
            raise
        finally:
            self._remove(old)

    def _serving(self, service: str) -> tuple[Container, ...]:
        """The containers that run; what an earlier deploy has left lying is removed."""
        found = self._engine.containers().of(service)
        self._remove(tuple(one for one in found if one.state != "running"))
        return tuple(one for one in found if one.state == "running")

    def _started(self, service: str, replicas: int, old: tuple[Container, ...]) -> tuple[Container, ...]:
        step = steps.roll(self._compose, service, "a new version", replicas, len(old), 0)
        self._engine.run(step, lambda line: None, self._stop)  # Compose's own words are in the log
        new = self._beside(service, old)
        if len(new) != replicas:
            raise StepFailed(f"Compose has made {len(new)} new containers of {service} instead of {replicas}.")
        return new

    def _beside(self, service: str, old: tuple[Container, ...]) -> tuple[Container, ...]:
        known = {one.id for one in old}
        return tuple(one for one in self._engine.containers().of(service) if one.id not in known)

    def _gate(self, new: tuple[Container, ...], patience: float) -> None:
        until = self._now() + patience
        while ill := self._engine.wait_healthy([one.id for one in new], min(LOOK, patience)):
            self._may_go_on()
            if self._now() >= until or any(one.lost for one in ill):
                raise self._failed("did not become healthy", ill)

    def _switch(self, service: str, containers: tuple[Container, ...]) -> None:
        names, until = frozenset(one.name for one in containers), self._now() + SWITCH
        self._proxy.send(containers)
        while (sends := self._proxy.sends(service)) is not None and sends != names:
            if self._now() >= until:
                raise StepFailed(
                    f"Traefik has not taken up within {SWITCH:g} seconds that {service} is {_names(containers)}; its "
                    f"log says why. It sends to {', '.join(sorted(sends)) or 'nobody'}."
                )
            self._pause(LOOK)

    def _watch(self, new: tuple[Container, ...]) -> None:
        until = self._now() + WATCH
        while self._now() < until:
            self._may_go_on()
            if ill := self._engine.wait_healthy([one.id for one in new], 0):
                raise self._failed("did not stay healthy", ill)
            self._pause(LOOK)
        self._may_go_on()

    def _may_go_on(self) -> None:
        if self._stop():
            raise KeyboardInterrupt

    def _failed(self, what: str, ill: tuple[Container, ...]) -> StepFailed:
        one = ill[0]
        lines = self._engine.last_lines(one.id)
        return StepFailed("\n  ".join([f"{one.name} {what}: it {one.fault or 'was late'}.", *lines]))

    def _back(self, service: str, old: tuple[Container, ...], switched: bool) -> None:
        serving = Running(old).serving.containers
        try:
            if switched and old:
                self._switch(service, serving)
        finally:
            new = self._beside(service, old)
            if switched:
                self._said(f"{_names(new)} may end what was begun (at most {self._drain} s).")
                self._end(tuple(one for one in new if one.state == "running"), self._drain + BESIDE_DRAIN)
            self._remove(new)
        if old:
            self._said(f"{_names(serving)} serves as before.")

    def _remove(self, containers: tuple[Container, ...]) -> None:
        broken: KeyboardInterrupt | None = None
        for one in containers:
            try:
                self._engine.remove(one.id)
            except KeyboardInterrupt as key:
                broken = key
                self._engine.remove(one.id)
        if broken is not None:
            raise broken

    def _cut(self, containers: tuple[Container, ...]) -> None:
        # A second SIGTERM: our servers settle what is still open, and end.
        self._end(containers, BESIDE_DRAIN)

    def _end(self, containers: tuple[Container, ...], seconds: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """SIGTERM to all at once; whether all have ended before `stop` came true."""
        pool = ThreadPoolExecutor(max(1, len(containers)))
        try:
            left = {pool.submit(self._engine.stop, one.id, seconds) for one in containers}
            while left and not stop():
                ended, left = wait(left, timeout=LOOK, return_when=FIRST_EXCEPTION)
                for one in ended:
                    one.result()
        finally:
            pool.shutdown(wait=False)
        return not left


def _names(containers: tuple[Container, ...]) -> str:
    return ", ".join(one.name for one in containers)
