"""A house's stack with everything that a command needs to look at it or change it."""

from __future__ import annotations

import getpass
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from compose.deploy.course import Target
from compose.deploy.deploy import Deploy, Heard
from compose.deploy.engine import Rollout
from compose.deploy.journal import Journal
from compose.deploy.lock import locked, must_be_free
from compose.deploy.releases import Contents, Release, applied, finishing, release_id, sentence, unfinished
from compose.deploy.site import Folder, digests
from compose.deploy.steps import Compose
from compose.deploy.wanted import Wanted, wanted
from compose.host.facts import Asked, Facts
from compose.layout import COMPOSE
from compose.render import rendering
from compose.render.secret_copy import Copy
from compose.running import Running
from devstack.places import ROOT, folder, write_private
from maitre.errors import HouseError
from maitre.settings import House
from provisioning.rotation import take_waiting, waiting

if TYPE_CHECKING:
    from compose.deploy.docker_engine import DockerEngine
    from compose.deploy.rollout import Said


@dataclass(frozen=True)
class Workshop:
    """One house, its journal, and its stack's rendering and engine, made when they are first needed."""

    house: House

    @property
    def journal(self) -> Journal:
        """The releases of the house."""
        return Journal(self.house.state)

    @property
    def stack(self) -> Path:
        """The folder of the rendered files."""
        return self.house.state / "stack"

    @cached_property
    def first(self) -> rendering.Rendering:
        """What the house's files make of the stack. Raises ConfigError with every mistake."""
        return rendering.rendering(self.house)

    @cached_property
    def project(self) -> str:
        """The name of the Compose project that runs, else of the one that would."""
        if self.journal.current() is not None:
            return str(yaml.safe_load(self.running_files()[COMPOSE])["name"])
        if is_begun(self.house.state):
            return str(yaml.safe_load((self.stack / COMPOSE).read_text("utf-8"))["name"])
        return self.first.project

    @cached_property
    def compose(self) -> Compose:
        """How Compose is called. Raises HouseError when there is none."""
        return _compose(self.project, self.stack)

    @cached_property
    def engine(self) -> DockerEngine:
        """The engine. Raises HouseError when it does not answer."""
        from compose.deploy.docker_engine import DockerEngine

        return DockerEngine(self.compose, self.house.state / "logs" / "deploy.log", self.stack / "traefik" / "dynamic")

    @contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """Hold the house's lock within the block, and while a child of the engine goes on, even if this process is
        killed. Raises HouseError saying who else holds it."""
        with locked(self.house.state, who(), what, datetime.now(UTC)) as lock:
            self.engine.passed = (lock,)
            if not self._key_file.exists():
                write_private(folder(self.journal.folder) / self._key_file.name, self._new_key + "\n")
            try:
                yield
            finally:
                self.engine.passed = ()

    @cached_property
    def services(self) -> dict[str, Wanted]:
        """The services of the rendered stack."""
        document = yaml.safe_load(rendering.files(self.house, Running())[COMPOSE])
        return wanted(document, {}, {})

    @property
    def deployed(self) -> dict[str, Wanted]:
        """The services of the release that runs, or of the first one where that was cut off. Raises HouseError when
        there is neither."""
        cut = unfinished(self.journal.all()) if self.journal.current() is None else None
        document = yaml.safe_load((self.journal.files(cut.id) if cut else self.running_files())[COMPOSE])
        return wanted(document, {}, {})

    def url(self, host: str) -> str:
        """The address of a public host, as a browser has it."""
        scheme, usual = ("http", 80) if self.first.certificates == "none" else ("https", 443)
        port = self.deployed["traefik"].ports[-1][1]  # it publishes HTTP first, then HTTPS
        return f"{scheme}://{host}" + ("" if port == usual else f":{port}")

    def asked(self) -> Asked:
        """What a deploy asks of the machine."""
        every = self.services.values()
        return Asked(
            domain=self.house.domain,
            hosts=tuple(sorted(set(self.first.hosts.values()))),
            certificates=self.first.certificates,
            behind_proxy=self.first.behind_proxy,
            ports=tuple(port for one in every for port in one.ports),
            memory=sum(one.memory * one.replicas for one in every if not one.job),
            built=frozenset(one.image for one in every if one.built),
            images=frozenset(one.image for one in every if not one.built),
            cpus={one.name: one.cpus for one in every},
            reserved_cpus=sum(one.reserved_cpus * one.replicas for one in every),
            reserved_memory=sum(one.reserved_memory * one.replicas for one in every),
        )

    def facts(self) -> Facts:
        """The machine, asked just now."""
        from compose.host.docker_facts import gather

        folder = self.house.state / "secrets"
        names = {copy.source for copy in self.first.copies.values()}
        files = [folder / name for name in sorted(names) if (folder / name).exists()]
        missing = [folder / name for name in rendering.missing_secrets(self.house, self.first.copies)]
        return gather(self.asked(), [folder, *files, *missing], self.project)

    def contents(self) -> Contents:
        """The stack as it is rendered for what runs."""
        return Contents(rendering.files(self.house, self.engine.containers().serving), self.first.copies)

    def running_contents(self) -> Contents:
        """What the release that runs brought. Raises HouseError when there is none."""
        return self.journal.contents(self._current())

    def running_files(self) -> dict[str, str]:
        """The files of the release that runs. Raises HouseError when there is none."""
        return self.journal.files(self._current())

    def _current(self) -> str:
        current = self.journal.current()
        if current is None:
            raise HouseError("No release runs. `cli deploy` makes one.")
        return current

    def folder(self) -> Folder:
        """The rendered files on the disk. Writing them finishes a rotation that was broken off: its value becomes the
        secret, and the steps that follow tell Postgres and start anew whoever reads it."""
        current = self.journal.current()
        every = self.journal.all()
        return Folder(
            self.house.state,
            self.project,
            before=self.journal.files(current) if current else {},
            last=every[-1] if current and every else None,
            migrations=migrations(),
            secret=lambda name: waiting(self.house, name) or rendering.value_of(self.house, name),
            key=self._digest_key(),
            write_copies=self._write_copies,
            remove_copies=lambda wanted: rendering.remove_other_copies(self.house, wanted),
            amiss_copies=lambda wanted: rendering.amiss_copies(self.house, wanted),
        )

    def _write_copies(self, wanted: Mapping[str, Copy]) -> None:
        take_waiting(self.house)
        rendering.copy_secrets(self.house, wanted)

    def _digest_key(self) -> str:
        """Keys the digests of secrets that containers are labelled with. It is no secret of the house, so that rotating
        one changes no other's digest. It is drawn by the first command that holds the lock."""
        try:
            return self._key_file.read_text("utf-8").strip()
        except FileNotFoundError:
            return self._new_key  # a dry run writes nothing

    @property
    def _key_file(self) -> Path:
        return self.journal.folder / "key"

    @cached_property
    def _new_key(self) -> str:
        return secrets.token_hex(32)

    def rollout(self, stop: Callable[[], bool], said: Said) -> Rollout:
        """How our own services are replaced. `said`: hears a sentence about how far it is."""
        from compose.deploy.docker_engine import client
        from compose.deploy.rollout import BesideRollout
        from compose.deploy.traefik_http import TraefikProxy, api_of

        dynamic = self.stack / "traefik" / "dynamic"
        proxy = TraefikProxy(self.engine, dynamic, self.project, api_of(client(), self.project))
        return BesideRollout(self.engine, proxy, self.compose, self.first.drain, said, time.monotonic, time.sleep, stop)

    def deploy(self, heard: Heard, stop: Callable[[], bool], said: Said = lambda sentence: None) -> Deploy:
        """The story of a deploy, with all that it works with; `said` hears how far a rollout is. Raises HouseError when
        the project's name has changed."""
        if self.project != self.first.project:
            raise HouseError(
                f"The house runs as the project {self.project}, and its data is named after it; set stack.project back"
                " to it, or remove the stack first: `cli destroy`."
            )
        return Deploy(
            engine=self.engine,
            rollout=self.rollout(stop, said),
            releases=self.journal,
            site=self.folder(),
            compose=self.compose,
            images=self.engine.images(),
            heard=heard,
            stop=stop,
            now=lambda: datetime.now(UTC),
        )

    def release(self, id: str, what: str, target: Target) -> Release:
        """A new release, not yet begun."""
        every = self.journal.all()
        return Release(
            id=id,
            who=who(),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            what=what,
            images={name: one.image for name, one in target.services.items()},
            digests=digests(target.files, self.project),
            jobs=every[-1].jobs if every and self.journal.current() else {},
            migrations=applied(every, self.journal.current()),
        )

    def staged(self, id: str) -> Compose:
        """Compose on a release's own copy of the files, before they are the house's."""
        return replace(self.compose, file=str(self.journal.path(id) / COMPOSE), folder=str(self.stack))

    def dump(self, id: str, target: Target) -> str | None:
        """Where the databases are dumped to before release `id` changes tables; None when none will change."""
        known = applied(self.journal.all(), self.journal.current())
        coming = {name for job, names in target.migrations.items() if job in target.services for name in names}
        return str(self.journal.folder / id / "before.sql") if coming - set(known) else None


def new_id() -> str:
    """The id of a release that is about to be made."""
    return release_id(datetime.now(UTC), secrets.token_hex(1)[0])


def migrations() -> dict[str, tuple[str, ...]]:
    """The names of our migrations, by the job that applies them."""
    folders = {"migrate": ROOT / "maitre" / "sql", "migrate_rag": ROOT / "rag_service" / "sql"}
    return {
        job: tuple(str(file.relative_to(ROOT)) for file in sorted(folder.rglob("*.sql")))
        for job, folder in folders.items()
    }


def who() -> str:
    """The person at the keyboard, also behind sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def running_stack(state: Path) -> tuple[Compose, Running]:
    """How Compose is called for a deployed house, and what runs of it, whatever the house's files say by now. Raises
    HouseError when the engine does not answer."""
    from compose.deploy.docker_engine import DockerEngine

    stack = state / "stack"
    compose = _compose(str(yaml.safe_load((stack / COMPOSE).read_text("utf-8"))["name"]), stack)
    engine = DockerEngine(compose, state / "logs" / "deploy.log", stack / "traefik" / "dynamic")
    return compose, engine.containers()


def _compose(project: str, stack: Path) -> Compose:
    from compose.host.docker_facts import find_compose

    found = find_compose()
    if found is None:
        raise HouseError("Neither `docker compose` (v2 or later) nor `docker-compose` answers; install one.")
    return Compose(found[0], project, str(stack / COMPOSE))


def is_deployed(state: Path) -> bool:
    """Whether the house is a stack that a command may build upon: rendered files lie there, and a release runs."""
    return (state / "stack" / COMPOSE).is_file() and Journal(state).current() is not None


def is_begun(state: Path) -> bool:
    """Whether there is a stack to look at: a release runs, or the first one was cut off, so that some of it may run."""
    return is_deployed(state) or (
        (state / "stack" / COMPOSE).is_file() and unfinished(Journal(state).all()) is not None
    )


def left_off(state: Path) -> str | None:
    """Where a deploy has stopped in the middle and what to run, or who is at it now; None when there is none."""
    journal = Journal(state)
    if (cut := unfinished(journal.all())) is None:
        return None
    try:
        must_be_free(state)
    except HouseError as busy:
        return str(busy)
    undo = f", `cli {'rollback' if journal.current() else 'destroy'}` undoes it" if is_begun(state) else ""
    return f"{sentence(cut)} `{finishing(cut)}` finishes it{undo}."
