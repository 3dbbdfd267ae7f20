"""What should run: the services of a rendered Compose file, each with a digest of all that it is made of and reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from posixpath import basename, isabs, normpath, relpath
from typing import Any

from compose.running import BESIDE, CONFIG, READS, ROLLOUT
from compose.stack.memory import size

#: Folders whose files Traefik watches: a change there restarts nothing.
WATCHED = ("traefik/dynamic",)
#: What Compose and we look at, and no container is made of.
ASIDE = ("build", "depends_on", "profiles", "pull_policy", "scale")
#: Seconds for the checks after a service's start period, in which a failed one counts for nothing.
AFTER_START = 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """One service. `config` stands for its definition (the label that was rendered, else a digest of it), `reads` has
    each rendered file and secret that it reads, with a digest."""

    name: str
    image: str
    definition: Mapping[str, Any]
    reads: Mapping[str, str]
    config: str
    built: bool  # from a Dockerfile of ours
    replicas: int
    memory: int  # bytes it may use; 0 without a limit
    cpus: float  # it may use; 0 without a limit
    reserved_memory: int  # bytes
    reserved_cpus: float
    needs: tuple[str, ...]
    ports: tuple[tuple[str, int], ...]  # published: address, port
    job: bool  # runs to its end, once a release
    beside: bool  # its new containers start beside the old ones
    patience: int  # seconds that it may take by its own word until it is healthy

    @property
    def mark(self) -> str:
        """One digest of all that it is made of and reads."""
        return digest(json.dumps([self.config, sorted(self.reads.items())]))


def wanted(
    document: Mapping[str, Any],
    files: Mapping[str, str],
    secrets: Mapping[str, tuple[str, str]],
    *,
    folder: str = "/",
) -> dict[str, Wanted]:
    """The services of the Compose file `document`, in the order in which they need each other.

    `files`: the text of every file that may be mounted, by its path from the stack's folder (`folder` in full);
    `secrets`: for the path of each secret's copy, the secret's name and a digest of its value.
    """
    sources = {name: relative(one["file"], folder) for name, one in document.get("secrets", {}).items()}
    sources |= {name: relative(one["file"], folder) for name, one in document.get("configs", {}).items()}
    found: dict[str, Wanted] = {}
    for name, service in document.get("services", {}).items():
        reads = _reads(service, sources, files, secrets, folder)
        definition = {key: value for key, value in service.items() if key not in ASIDE}
        labels = _labels(service)
        definition["labels"] = {key: value for key, value in labels.items() if key not in (CONFIG, READS)}
        deploy = {key: value for key, value in service.get("deploy", {}).items() if key != "replicas"}
        definition |= {"deploy": deploy} if deploy else {}
        resources = deploy.get("resources", {})
        limits, reserved = resources.get("limits", {}), resources.get("reservations", {})
        replicas = service.get("scale", service.get("deploy", {}).get("replicas", 1))
        found[name] = Wanted(
            name=name,
            image=service.get("image", ""),
            definition=definition,
            reads=reads,
            config=labels.get(CONFIG) or digest(json.dumps(definition, sort_keys=True, default=str)),
            built="build" in service,
            replicas=int(replicas),
            memory=size(limits.get("memory", service.get("mem_limit", 0))),
            cpus=float(limits.get("cpus", 0)),
            reserved_memory=size(reserved.get("memory", 0)),
            reserved_cpus=float(reserved.get("cpus", 0)),
            needs=tuple(service.get("depends_on", ())),
            ports=tuple(_ports(service)),
            job=service.get("restart") == "no",
            beside=labels.get(ROLLOUT) == BESIDE,
            patience=_seconds(service.get("healthcheck", {}).get("start_period", "0s")) + AFTER_START,
        )
    return {name: found[name] for name in ordered({name: one.needs for name, one in found.items()})}


def stamped(document: Mapping[str, Any], services: Mapping[str, Wanted]) -> dict[str, Any]:
    """The Compose file with our labels on every service, so that what runs can be compared with what should."""
    ours = {
        name: {CONFIG: one.config, READS: " ".join(f"{what}={value}" for what, value in sorted(one.reads.items()))}
        for name, one in services.items()
    }
    return {
        **document,
        "services": {
            name: {**service, "labels": {**_labels(service), **ours[name]}}
            for name, service in document["services"].items()
        },
    }


def unstamped(document: Mapping[str, Any]) -> dict[str, Any]:
    """The Compose file without these labels."""
    ours = (CONFIG, READS)
    return {
        **document,
        "services": {
            name: {**service, "labels": {key: value for key, value in _labels(service).items() if key not in ours}}
            for name, service in document["services"].items()
        },
    }


def ordered(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The names so that each comes after what it needs; else alphabetically."""
    done: list[str] = []
    left = sorted(needs)
    while left:
        ready = [name for name in left if not set(needs[name]) & (set(left) - {name})]
        done += ready or left
        left = [name for name in left if name not in done]
    return tuple(done)


def is_here(image: str, images: Collection[str]) -> bool:
    """Whether an image is among the engine's. It lists a pinned one as NAME@DIGEST, without the tag."""
    name, at, pinned = image.partition("@")
    return image in images or (bool(at) and f"{name.rpartition(':')[0]}@{pinned}" in images)


def digest(text: str) -> str:
    """Twelve hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def relative(path: str, folder: str) -> str:
    """A path of the Compose file, from the stack's folder."""
    return relpath(path, folder) if isabs(path) else normpath(path)


def _seconds(written: str) -> int:
    """A time as it is rendered: `30s`."""
    return int(written.removesuffix("s"))


def _labels(service: Mapping[str, Any]) -> dict[str, str]:
    labels = service.get("labels", {})
    if isinstance(labels, Mapping):
        return dict(labels)
    return {name: value for name, _, value in (one.partition("=") for one in labels)}


def _ports(service: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    for one in service.get("ports", ()):
        if isinstance(one, Mapping):
            yield str(one.get("host_ip", "0.0.0.0")), int(one["published"])
            continue
        host, _, port = str(one).rpartition(":")[0].rpartition(":")
        yield host.strip("[]") or "0.0.0.0", int(port)


def _reads(
    service: Mapping[str, Any],
    sources: Mapping[str, str],
    files: Mapping[str, str],
    secrets: Mapping[str, tuple[str, str]],
    folder: str,
) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in service.get("secrets", ()):
        path = sources[one["source"] if isinstance(one, Mapping) else one]
        name, value = secrets.get(path, (basename(path), ""))
        found[f"secret:{name}"] = value
    mounted = [sources[one["source"] if isinstance(one, Mapping) else one] for one in service.get("configs", ())]
    for one in service.get("volumes", ()):
        source = str(one["source"] if isinstance(one, Mapping) else one.split(":")[0])
        if source.startswith((".", "/")):
            mounted.append(relative(source, folder))
    for path in mounted:
        within = {name: text for name, text in files.items() if name == path or name.startswith(f"{path}/")}
        kept = {name: text for name, text in within.items() if not name.startswith(tuple(f"{one}/" for one in WATCHED))}
        if kept:
            found[path] = digest(json.dumps(kept, sort_keys=True))
    return dict(sorted(found.items()))
