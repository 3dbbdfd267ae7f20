"""Every command that a deploy runs, as a value: what is shown by a dry run is what runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compose.render.postgres_init import ENSURE

#: The script that tells a running Valkey its password: in the rendered folder, and in the container.
PASSWORD, MOUNTED = "valkey/password.sh", "/password.sh"

Kind = Literal["build", "pull", "write", "dump", "job", "up", "roll", "remove", "start", "other"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `argv` is empty where no process runs (files are written). `env` names the variables that the process
    needs beside the usual ones; `into` is the file that gets its output. `cut`: it may be broken off at any moment,
    because it changes nothing that serves."""

    name: str
    argv: tuple[str, ...]
    why: str
    env: tuple[str, ...] = ()
    kind: Kind = "other"
    service: str = ""
    into: str | None = None
    patience: int = 600  # seconds until the service must be healthy
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Compose:
    """How Compose is called for this house: its command (`docker compose` or `docker-compose`), project and file.
    `folder`: the one that the file's paths start from, where it is not the file's own."""

    command: tuple[str, ...]
    project: str
    file: str
    folder: str | None = None

    def __call__(self, *words: str) -> tuple[str, ...]:
        """The whole command line."""
        apart = ("--project-directory", self.folder) if self.folder else ()
        return (*self.command, "-p", self.project, *apart, "-f", self.file, *words)


def build(compose: Compose, services: tuple[str, ...], why: str) -> Step:
    """Build the images of these services."""
    return Step("build images", compose("build", *services), why, kind="build", cut=True)


def pull(compose: Compose, services: tuple[str, ...], why: str) -> Step:
    """Fetch the images of these services."""
    return Step("pull images", compose("pull", "--policy", "missing", *services), why, kind="pull", cut=True)


def write(why: str, name: str = "write files") -> Step:
    """Write the rendered files and the secrets' copies."""
    return Step(name, (), why, kind="write")


def dump(compose: Compose, into: str, why: str) -> Step:
    """Dump Maitre's database before its tables change."""
    argv = compose("exec", "-T", "postgres", "pg_dumpall", "--username=postgres", "--clean", "--if-exists")
    return Step("dump databases", argv, why, kind="dump", service="postgres", into=into, cut=True)


def roles(compose: Compose) -> Step:
    """Bring a running Postgres's roles and databases up to date; nothing is restarted."""
    why = "whoever keeps data in it has a database, and signs in with the password of its secret"
    return Step("tell postgres its roles", compose(*ENSURE), why, service="postgres")


def password(compose: Compose, alone: bool) -> Step:
    """Tell a running Valkey the password of its secret. `alone`: no other one opens it any more; whoever has signed in
    stays so."""
    said = compose("exec", "-T", "valkey", "sh", MOUNTED, *(("alone",) if alone else ()))
    if alone:
        return Step("close valkey to old passwords", said, "everybody has the one of its secret", service="valkey")
    why = "the old one opens it, too, until everybody has the new one"
    return Step("tell valkey its password", said, why, service="valkey")


def job(compose: Compose, service: str, why: str, cut: bool) -> Step:
    """Run a one-shot job to its end. `cut`: it may be broken off, and begins anew the next time."""
    argv = compose("run", "--rm", "--no-deps", "-T", service)
    return Step(f"run {service}", argv, why, kind="job", service=service, cut=cut)


def up(compose: Compose, service: str, why: str, replicas: int, patience: int) -> Step:
    """Create or replace exactly this service's containers."""
    words = ("up", "-d", "--no-deps", "--no-build", "--force-recreate", "--scale", f"{service}={replicas}", service)
    return Step(f"start {service}", compose(*words), why, kind="up", service=service, patience=patience)


def scale(compose: Compose, service: str, why: str, replicas: int, patience: int) -> Step:
    """Bring the number of a service's containers to `replicas`, and start those that stopped; replace none."""
    words = ("up", "-d", "--no-deps", "--no-build", "--no-recreate", "--scale", f"{service}={replicas}", service)
    return Step(f"start {service}", compose(*words), why, kind="start", service=service, patience=patience)


def roll(compose: Compose, service: str, why: str, replicas: int, beside: int, patience: int) -> Step:
    """Start new containers beside the `beside` ones that serve; the rollout does the rest."""
    words = ("up", "-d", "--no-deps", "--no-build", "--no-recreate", "--scale", f"{service}={beside + replicas}")
    return Step(f"roll {service}", compose(*words, service), why, kind="roll", service=service, patience=patience)


def remove(service: str, names: tuple[str, ...], why: str, grace: int) -> tuple[Step, ...]:
    """Stop and remove the containers of a service that is no longer wanted; `grace`: seconds for its last work."""
    ended = ("docker", "stop", "--time", str(grace), *names)
    return (
        Step(f"stop {service}", ended, why, kind="remove", service=service),
        Step(f"remove {service}", ("docker", "rm", "--force", *names), why, kind="remove", service=service),
    )


def down(compose: Compose, volumes: bool) -> Step:
    """Remove every container and network of the project; its volumes only if asked."""
    words = ("down", "--remove-orphans", *(("--volumes",) if volumes else ()))
    why = "everything goes, its data too" if volumes else "everything goes but its data"
    return Step("remove everything", compose(*words), why, kind="remove")


def remove_volumes(names: tuple[str, ...]) -> Step:
    """Remove these volumes; one that is gone already is left alone."""
    why = "Compose knows those of today's services only, not those of profiles that were switched off"
    return Step("remove volumes", ("docker", "volume", "rm", "--force", *names), why, kind="remove")
