"""The story of a deploy: each step to its end, each service healthy before the next, and back by itself if one is not.

Only Protocols are seen here; whoever calls it holds the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

from compose.deploy import steps
from compose.deploy.course import PATIENCE, TAKEN_BACK, Target, course, rest
from compose.deploy.ends import half, left
from compose.deploy.engine import Engine, EngineAway, Rollout, StepFailed
from compose.deploy.plan import Plan, plan
from compose.deploy.releases import Contents, Outcome, Release, Releases, finishing
from compose.deploy.steps import Compose, Step
from compose.deploy.wanted import Wanted
from compose.running import Container, Running
from maitre.errors import HouseError

#: Hears of a step: it begins, it is done, it failed; or a line that it prints.
Heard = Callable[[Step, Literal["begins", "done", "failed", "says"], str], None]

#: Steps that change nothing that serves.
_HARMLESS = ("build", "pull", "dump")


class Stopped(HouseError):
    """The operator broke a deploy off; the text says how the house is left and what to run."""


class Site(Protocol):
    """The house's folder of rendered files."""

    def target(self, contents: Contents, running: Running) -> Target:
        """What a release of these contents aims at."""
        ...

    def write(self, target: Target, running: Running) -> None:
        """Put the files and the secrets' copies where the containers read them. Servers that a rollout has named in
        Traefik's files stay those that run, and copies that an older container may have mounted stay."""
        ...

    def clear(self, target: Target) -> None:
        """Remove the secrets' copies that the target does not read."""
        ...


def with_jobs(names: Collection[str], services: Mapping[str, Wanted]) -> frozenset[str]:
    """The services, and the jobs that they need before them, directly or by other jobs."""
    found, left = set(names), list(names)
    while left:
        needs = [need for need in services[left.pop()].needs if services[need].job and need not in found]
        found.update(needs)
        left += needs
    return frozenset(found)


@contextmanager
def _plainly() -> Iterator[None]:
    """What the disk or the network refuses within is a HouseError."""
    try:
        yield
    except OSError as refused:
        where = f"{refused.filename}: " if refused.filename else ""
        raise HouseError(f"{where}{refused.strerror or refused}.") from refused


@dataclass(frozen=True, slots=True)
class Deploy:
    """Everything that a deploy works with. `stop`: whether the operator wants to break it off."""

    engine: Engine
    rollout: Rollout
    releases: Releases
    site: Site
    compose: Compose
    images: Collection[str]  # those that are here
    heard: Heard
    stop: Callable[[], bool]
    now: Callable[[], datetime]

    def way(
        self,
        target: Target,
        *,
        staged: Compose | None = None,
        dump: str | None = None,
        back: bool = False,
        only: Collection[str] = (),
    ) -> tuple[Plan, tuple[Step, ...]]:
        """What would change, and the steps to it. `staged`: Compose on the release's own copy of the files, where it
        has one; `back`: to an earlier release, of whose jobs only those run that are taken back, and they last; `only`:
        care for these services, and the jobs that they need."""
        running = self.engine.containers()
        found = plan(running, target.services, target.before, done=target.done, watched=target.watched)
        changes = [*found.changes]
        if back:
            changes = [one for one in changes if one.kind != "run" or one.service in TAKEN_BACK]
            changes.sort(key=lambda one: one.kind == "run")
        if only:
            chosen = with_jobs(only, target.services)
            changes = [one for one in changes if one.service in chosen]
            target = replace(target, amiss=())  # of the others' files some are older, as they should be
        narrowed = Plan(tuple(changes))
        return narrowed, course(
            narrowed, target, running, self.compose, staged=staged or self.compose, images=self.images, dump=dump
        )

    def go(self, release: Release, target: Target, way: tuple[Step, ...], *, back: bool = False) -> Release:
        """Go the whole way; the release as it is written down. Raises HouseError when a step failed: the house is then
        as before, or the sentence says how it is; Stopped when the operator broke it off. `back`: the way was made so,
        and containers that are back stay so when a job fails after them."""
        current = self.releases.current()
        touched = {step.service for step in way}
        ill = {one.service for one in self.engine.containers().containers if not one.well} - touched
        with _plainly():
            self.releases.begin(release, Contents(target.files, target.copies))
        try:
            for step in way or rest(target, self.engine.containers(), self.compose):
                if self.stop():
                    raise KeyboardInterrupt
                release = self._begun(release, step)
                release = self._reach(release, target, step)
            with _plainly():
                self._all_well(target, apart=ill)
            ended = self._end(release, "done")
        except KeyboardInterrupt:
            raise self._stopped(release, way, current) from None
        except HouseError as fault:
            failed = way[len(release.reached) :][:1]
            if back and failed and failed[0].kind == "job":
                how = half(release.id, failed[0], "", f"rollback {release.id}")
                raise HouseError(f"{fault}\n{how}{self._ended(release, 'done', fault)}") from fault
            raise self._undone(release, way, current, fault) from fault
        with _plainly():
            self._clear(target)
        return ended

    def walk(self, target: Target, way: tuple[Step, ...]) -> None:
        """Go steps that make no release. Raises StepFailed; Stopped when the operator broke it off between two."""
        for number, step in enumerate(way):
            if self.stop():
                raise Stopped(f"Stopped; not done: {', '.join(one.name for one in way[number:])}.")
            self._step(step, target)

    def _begun(self, release: Release, step: Step) -> Release:
        """A job that has begun may have written something, so it counts as run only when it has ended well."""
        if step.kind != "job":
            return release
        release = replace(release, jobs={**release.jobs, step.service: ""})
        with _plainly():
            self.releases.note(release)
        return release

    def _reach(self, release: Release, target: Target, step: Step) -> Release:
        self._step(step, target)
        ran = {step.service: target.services[step.service].mark} if step.kind == "job" else {}
        applied = target.migrations.get(step.service, ()) if step.kind == "job" else ()
        release = replace(
            release,
            reached=(*release.reached, step.name),
            jobs={**release.jobs, **ran},
            migrations=tuple(sorted({*release.migrations, *applied})),
        )
        with _plainly():
            self.releases.note(release)
        return release

    def _step(self, step: Step, target: Target) -> None:
        self.heard(step, "begins", "")
        try:
            with _plainly():
                self._do(step, target)
        except HouseError as fault:
            self.heard(step, "failed", str(fault))
            raise
        self.heard(step, "done", "")

    def _do(self, step: Step, target: Target) -> None:
        if step.kind == "write":
            self.site.write(target, self.engine.containers())
        elif step.kind == "roll":
            self.rollout.roll(step.service, target.services[step.service].replicas, step.patience)
        else:
            self.engine.run(step, lambda line: self.heard(step, "says", line), self.stop)
        if step.kind in ("up", "start"):
            fresh = self.engine.containers().of(step.service)
            self._gate(self.engine.wait_healthy([one.id for one in fresh], step.patience))

    def _gate(self, every: tuple[Container, ...]) -> None:
        for ill in every:
            what = ill.fault or "is well"
            lines = self.engine.last_lines(ill.id)
            raise StepFailed("\n  ".join([f"{ill.name} did not become healthy: it {what}.", *lines]))

    def _all_well(self, target: Target, apart: Collection[str] = ()) -> None:
        lasting = {name for name, one in target.services.items() if not one.job and name not in apart}
        ids = [one.id for one in self.engine.containers().containers if one.service in lasting]
        self._gate(self.engine.wait_recovered(ids, PATIENCE))

    def _end(self, release: Release, outcome: Outcome, fault: str = "") -> Release:
        ended = replace(release, outcome=outcome, ended=self.now().isoformat(timespec="seconds"), fault=fault)
        with _plainly():
            self.releases.note(ended)
        return ended

    def _stopped(self, release: Release, way: tuple[Step, ...], current: str | None) -> Stopped:
        done = [step for step in way if step.name in release.reached]
        changed = [step.name for step in done if step.kind not in _HARMLESS]
        if not changed:
            self._end(release, "undone", "stopped")
            return Stopped("Stopped. Nothing has been changed; the same command begins anew.")
        self._end(release, "stopped", "stopped")
        undo = "rollback" if current else "destroy"
        rest = [step.name for step in way if step.name not in release.reached]
        return Stopped(
            f"Stopped after “{changed[-1]}”; not done: {', '.join(rest) or 'nothing'}. What ran before and was not "
            f"replaced still serves. `{finishing(release)}` finishes it, `cli {undo}` undoes it."
        )

    def _undone(self, release: Release, way: tuple[Step, ...], current: str | None, fault: HouseError) -> HouseError:
        """Go back to the release that ran before; the sentence about it."""
        tried = way[: len(release.reached) + 1]
        outcome: Outcome = "undone"
        if all(step.kind in (*_HARMLESS, "job") for step in tried):
            how = "Nothing that serves has been changed."
        else:
            ever = replace(self, stop=lambda: False)  # half a way back helps nobody
            release, outcome, how = ever._way_back(release, current, {step.service for step in tried})
        how += self._ended(release, outcome, fault)
        return HouseError(how if isinstance(fault, EngineAway) and outcome == "failed" else f"{fault}\n{how}")

    def _way_back(self, release: Release, current: str | None, tried: Collection[str]) -> tuple[Release, Outcome, str]:
        """Go it, to nothing where no release ran before; the jobs of these services at its end. How it ended."""
        job: Step | None = None
        try:
            with _plainly():
                if current is None:
                    step = steps.down(self.compose, volumes=False)
                    self.engine.run(step, lambda line: self.heard(step, "says", line))
                    told = "There was no release before, so what was started is removed; the data stays."
                    return release, "undone", told
                target, jobs = self._back(current, release.jobs)
                for job in jobs:
                    if job.service in tried:
                        release = self._begun(release, job)
                        release = self._reach(release, target, job)
            return release, "undone", f"Rolled back: the house runs release {current} as before."
        except (HouseError, KeyboardInterrupt) as second:
            what = str(second) or "it was broken off"
            if job is not None:
                return release, "failed", half(current, job, f": {what}", "rollback")
            if isinstance(second, EngineAway):
                return release, "failed", left(release, current, second)
            mend = "`cli status` shows what serves; mend it, then run `cli deploy` or `cli rollback`."
            return release, "failed", f"The way back failed too: {what}\n{mend}"

    def _back(self, current: str, done: Mapping[str, str]) -> tuple[Target, tuple[Step, ...]]:
        """Bring containers and files back; the jobs that are left to run. `done`: as a target has it, by now."""
        target = replace(self.site.target(self.releases.contents(current), self.engine.containers()), done=done)
        _, way = self.way(target, back=True)
        # Even where every container is the old one, the files on the disk are the new release's.
        back = [
            replace(one, name=f"back: {one.name}") for one in way or (steps.write("the files of the release before"),)
        ]
        for step in back:
            if step.kind != "job":
                self._step(step, target)
        self._all_well(target)
        self._clear(target)
        return target, tuple(step for step in back if step.kind == "job")

    def _ended(self, release: Release, outcome: Outcome, fault: HouseError) -> str:
        """Write down how it ended; what is to be said where that cannot be."""
        try:
            self._end(release, outcome, str(fault))
        except HouseError as unwritten:
            return f"\nThat could not be written down: {unwritten}"
        return ""

    def _clear(self, target: Target) -> None:
        # A service that was left out goes on with what an older release gave it.
        if all(one.kind in ("reload", "run") for one in self.way(target)[0].work):
            self.site.clear(target)
