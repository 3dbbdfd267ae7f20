"""A house's folder with a scripted engine, and what deploys on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compose.deploy.course import Target
from compose.deploy.deploy import Deploy
from compose.deploy.journal import Journal
from compose.deploy.plan import Plan
from compose.deploy.releases import Release, applied, release_id
from compose.deploy.site import Folder, digests
from compose.deploy.steps import Step
from compose.render.secret_copy import Copy
from devstack import scaffold
from maitre.settings import House, load_house
from tests.compose import small
from tests.compose.engine import Engine, Rollout

NOW = datetime(2026, 11, 21, 20, 40, 5, tzinfo=UTC)


@dataclass
class Yard:
    """A house in which things are deployed. `heard`: events as `event name`; `stopping`: whether Ctrl-C was pressed;
    `copied`: the copies of secrets that lie there."""

    state: Path
    secrets: dict[str, str] = field(default_factory=lambda: {"postgres_password": "p", "gateway_key": "g"})
    heard: list[str] = field(default_factory=list)
    stopping: Callable[[], bool] = lambda: False
    migrations: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"migrate": ("0001.sql",)})
    copied: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.stack = self.state / "stack"
        self.engine, self.journal = Engine(self.stack), Journal(self.state)
        self.images: tuple[str, ...] = ()
        self.rollout, self.compose = Rollout(self.engine), small.COMPOSE
        self._clock = (NOW + timedelta(seconds=number) for number in itertools.count())

    def deploy(self) -> Deploy:
        """The story, as the journal stands now."""
        current, every = self.journal.current(), self.journal.all()
        site = Folder(
            self.state,
            small.PROJECT,
            before=self.journal.files(current) if current else {},
            last=every[-1] if current else None,
            migrations=self.migrations,
            secret=self.secrets.__getitem__,
            key="stamp",
            write_copies=self.copy,
            remove_copies=self.remove_others,
            amiss_copies=lambda wanted: sorted({*wanted} - self.copied),
        )
        return Deploy(
            engine=self.engine,
            rollout=self.rollout,
            releases=self.journal,
            site=site,
            compose=self.compose,
            images=self.images,
            heard=lambda step, event, text: self.heard.append(f"{event} {step.name}"),
            stop=lambda: self.stopping(),
            now=lambda: NOW,
        )

    def copy(self, wanted: Mapping[str, Copy]) -> None:
        """Remember that these secrets were copied."""
        self.copied.update(wanted)

    def remove_others(self, wanted: Mapping[str, Copy]) -> None:
        """Remember that these only are left."""
        self.copied &= set(wanted)

    def way(self, files: Mapping[str, str], **more: object) -> tuple[Plan, tuple[Step, ...], Target, Deploy]:
        """What a deploy of these files would do."""
        deploy = self.deploy()
        target = deploy.site.target(small.contents(files), self.engine.containers())
        plan, way = deploy.way(target, **more)  # type: ignore[arg-type]
        return plan, way, target, deploy

    def go(self, files: Mapping[str, str], what: str = "deploy", back: bool = False, **more: object) -> Release:
        """Deploy these files."""
        _, way, target, deploy = self.way(files, back=back, **more)
        now = next(self._clock)
        every = self.journal.all()
        release = Release(
            release_id(now, "b"),
            "lea",
            now.isoformat(),
            what,
            digests=digests(target.files, small.PROJECT),
            jobs=every[-1].jobs if every and self.journal.current() else {},
            migrations=applied(every, self.journal.current()),
        )
        return deploy.go(release, target, way, back=back)

    def kinds(self, files: Mapping[str, str]) -> dict[str, str]:
        """What would happen to each service, but for those that go on as they are."""
        return {one.service: one.kind for one in self.way(files)[0].work}


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """A house that was never deployed."""
    return Yard(tmp_path / "house" / ".maitre")


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A new house."""
    scaffold.copy_example(tmp_path)
    scaffold.make_secrets(tmp_path)
    made = load_house(tmp_path)
    scaffold.make_logins(made)
    return made
