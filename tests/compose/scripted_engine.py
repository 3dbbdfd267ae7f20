"""An engine and a Traefik that exist as a table: what they hold can be asked, and any call of theirs can go wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from compose.deploy.engine import StepFailed
from compose.deploy.steps import Step
from compose.running import Container, Running

Told = Callable[[str], None]


class ScriptedEngine:
    """Serves `gateway` with so many old containers. `health`: of the new ones after a look; `dies`: one of them, once
    requests go to it; `deaf`: Traefik reads its files no more, but for the way
    back; `mute`: it does not read the way back; `breaks`: the number of the call during which
    Ctrl-C is pressed, once; `early`: before the call has done its work."""

    def __init__(
        self,
        old: int = 1,
        *,
        health: str = "healthy",
        state: str = "running",
        dies: bool = False,
        deaf: bool = False,
        mute: bool = False,
        breaks: int = 0,
        early: bool = False,
    ) -> None:
        self.time = 0.0
        self.calls: list[str] = []
        self._health, self._state, self._dies, self._deaf, self._breaks = health, state, dies, deaf, breaks
        self._early, self._mute = early, mute
        self._held = {f"old{number}": one(f"old{number}", number, "healthy") for number in range(1, old + 1)}
        self.told = self.sent = frozenset(each.name for each in self._held.values())  # written down; taken up

    def _call(self, what: str, done: Callable[[], object] = lambda: None) -> None:
        self.calls.append(what)
        broken = len(self.calls) == self._breaks
        if not (broken and self._early):
            done()
        if broken:
            raise KeyboardInterrupt

    # ── the engine ──

    def run(self, step: Step, told: Told, stop: Callable[[], bool] = lambda: False) -> None:
        """Make what `--scale` asks for."""
        wanted = int(step.argv[step.argv.index("--scale") + 1].partition("=")[2])
        if self._state == "missing":
            raise StepFailed("Compose failed.")
        numbers = range(len(self._held) + 1, wanted + 1)
        fresh = {f"new{number}": one(f"new{number}", number, "starting") for number in numbers}
        self._call("run", lambda: self._held.update(fresh))

    def containers(self) -> Running:
        """What is held."""
        self._call("containers")
        return Running(tuple(self._held.values()))

    def wait_healthy(self, ids: Collection[str], patience: float) -> tuple[Container, ...]:
        """Look at them, which takes all the patience when they are not well."""
        for id in ids:
            dying = self._dies and self.sent == {self._held[id].name}
            state = "exited" if dying else self._state
            self._held[id] = replace(self._held[id], health=self._health, state=state)
        ill = tuple(self._held[id] for id in ids if not self._held[id].well)
        self.time += patience if ill else 0.01
        self._call("wait_healthy")
        return ill

    def wait_recovered(self, ids: Collection[str], patience: float) -> tuple[Container, ...]:
        """A rollout asks for none that was well before."""
        raise AssertionError(ids)

    def stop(self, id: str, seconds: int) -> None:
        """End one."""
        self._call(f"stop {id} {seconds}", lambda: self._held.update({id: replace(self._held[id], state="exited")}))

    def remove(self, id: str) -> None:
        """Remove one."""
        self._call(f"remove {id}", lambda: self._held.pop(id, None))

    def write_dynamic(self, name: str, text: str) -> None:
        """Never called: the proxy below is told itself."""
        raise AssertionError(name)

    def last_lines(self, id: str, count: int = 10) -> tuple[str, ...]:
        """The end of its log."""
        return ("its last word",)

    # ── Traefik ──

    def send(self, containers: tuple[Container, ...]) -> None:
        """Write down where requests go."""

        def write() -> None:
            self.told = frozenset(each.name for each in containers)

        self._call("send", write)

    def sends(self, service: str) -> frozenset[str] | None:
        """Where they go: what was written before the last look."""
        self._call("sends")
        said = self.sent
        back = all(name.startswith("name-old") for name in self.told)
        if not (self._mute if back else self._deaf):
            self.sent = self.told
        return said

    # ── time ──

    def now(self) -> float:
        """Seconds."""
        return self.time

    def pause(self, seconds: float) -> None:
        """Time goes by."""
        self.time += seconds

    @property
    def serving(self) -> str:
        """Which version serves, whole and alone: `old` or `new`; else what there is instead."""
        names = frozenset(each.name for each in self._held.values() if each.well)
        one_kind = {id[:3] for id in self._held}
        whole = names == self.told == frozenset(each.name for each in self._held.values())
        return one_kind.pop() if whole and len(one_kind) == 1 else f"{sorted(self._held)} for {sorted(self.told)}"


def one(id: str, number: int, health: str) -> Container:
    """A container of the gateway."""
    return Container(id, f"name-{id}", "gateway", number, "image", "running", health)
