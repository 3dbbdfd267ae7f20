"""What must hold before a deploy starts: every look is a finding. One that is well but has a remedy is a warning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from compose.deploy.wanted import is_here
from compose.host.facts import Asked, Facts
from compose.host.finding import Finding

#: Free bytes that images, volumes and a dump need: docs/sizing.md.
DISK = 10 * 1024**3
#: The oldest Compose that is asked for.
COMPOSE = (2, 20)
ARCHITECTURES = ("x86_64", "amd64")
#: Names that never lead anywhere (RFC 2606).
_EXAMPLES = ("example", "test", "invalid", "localhost")


def preflight(asked: Asked, facts: Facts) -> list[Finding]:
    """All findings. Without an engine nothing else is asked."""
    if facts.engine is None:
        remedy = "start it (systemctl start docker), or let this user reach its socket"
        return [Finding("engine", False, f"Docker does not answer: {facts.engine_fault}", remedy)]
    return [
        _engine(facts),
        _compose(facts),
        _architecture(facts),
        *_ports(asked, facts),
        _domain(asked),
        *_names(asked, facts),
        _disk(facts),
        _memory(asked, facts),
        *_cpus(asked, facts),
        *_reserved(asked, facts),
        *_images(asked, facts),
        *_secrets(facts),
        *_rotations(facts),
    ]


def _engine(facts: Facts) -> Finding:
    """The stack's files are mounted from this disk, Traefik must see the guests' addresses, and is asked at its own."""
    if not facts.engine_apart:
        return Finding("engine", True, facts.engine or "")
    remedy = "use the Docker engine that this Linux machine runs as root"
    return Finding("engine", False, f"Docker {facts.engine} is {facts.engine_apart}", remedy)


def _compose(facts: Facts) -> Finding:
    if facts.compose is None:
        remedy = "install Docker's Compose plugin"
        return Finding("compose", False, "neither `docker compose` nor `docker-compose` answers", remedy)
    numbers = tuple(int(number) for number in re.findall(r"\d+", facts.compose)[:2])
    good = numbers >= COMPOSE
    return Finding("compose", good, facts.compose, "" if good else "Compose v2.20 or later (v5 is tried)")


def _architecture(facts: Facts) -> Finding:
    good = facts.architecture in ARCHITECTURES
    return Finding("architecture", good, facts.architecture, "" if good else "the stack is for x86-64")


def _ports(asked: Asked, facts: Facts) -> Iterator[Finding]:
    for address, port in asked.ports:
        holder = facts.busy.get((address, port))
        if holder is None:
            yield Finding("port", True, f"{address}:{port} is free or this house's")
        else:
            seen = f"{address}:{port} is held by {holder or 'another process'}"
            yield Finding("port", False, seen, "stop that, or set stack.http_port and stack.https_port")


def _domain(asked: Asked) -> Finding:
    if not asked.domain:
        return Finding("domain", False, "maitre.yaml names no domain", "set domain, such as example.com")
    public = asked.certificates.startswith("letsencrypt")
    if public and asked.domain.rpartition(".")[2] in _EXAMPLES:
        remedy = "set domain in maitre.yaml to yours, or stack.tls.kind to files or none"
        return Finding("domain", False, f"no certificate can be had for {asked.domain}", remedy)
    return Finding("domain", True, asked.domain)


def _names(asked: Asked, facts: Facts) -> Iterator[Finding]:
    """A name that leads elsewhere is an error only where Let's Encrypt must reach this machine by it."""
    ours = any(ip_address(address).is_global for address in facts.addresses)
    must = asked.certificates == "letsencrypt-http" and ours and not asked.behind_proxy
    unknown = [host for host in asked.hosts if not facts.names.get(host) and not host.endswith(".localhost")]
    if unknown:
        have = "have" if len(unknown) > 1 else "has"
        remedy = "give each an A record with this machine's address"
        yield Finding("dns", not must, f"{', '.join(unknown)} {have} no address in the DNS", remedy)
    for host in (host for host in asked.hosts if host not in unknown):
        found = facts.names.get(host, ())
        if facts.addresses & set(found):
            yield Finding("dns", True, f"{host} leads here")
        elif not found:
            yield Finding("dns", True, f"{host} leads each browser to its own machine")
        else:
            yield Finding("dns", not must, f"{host} leads to {', '.join(found)}, not here", f"point {host} here")


def _disk(facts: Facts) -> Finding:
    good = facts.disk_free >= DISK
    remedy = "" if good else f"free {_gb(DISK)} where Docker keeps its data (docker system df)"
    return Finding("disk", good, f"{_gb(facts.disk_free)} free", remedy)


def _memory(asked: Asked, facts: Facts) -> Finding:
    """Limits may be more than there is, for not all reach theirs at once; half of them must be there."""
    seen = f"{_gb(facts.memory)}, and the services may take {_gb(asked.memory)} together"
    remedy = "" if facts.memory >= asked.memory else "a smaller stack.size or limits, or more memory (docs/sizing.md)"
    return Finding("memory", 2 * facts.memory >= asked.memory, seen, remedy)


def _cpus(asked: Asked, facts: Facts) -> Iterator[Finding]:
    """Docker makes no container that may take more than there is."""
    if above := {name: cpus for name, cpus in sorted(asked.cpus.items()) if cpus > facts.cpus}:
        told = ", ".join(f"{name} ({cpus:g})" for name, cpus in above.items())
        seen = f"this machine has {facts.cpus} CPUs, and the limit of {told} is above that"
        fewer = ", ".join(f"{name}: {{ cpus: {facts.cpus} }}" for name in above)
        yield Finding("cpus", False, seen, f"below `stack:` in maitre.yaml write `services: {{ {fewer} }}`")


def _reserved(asked: Asked, facts: Facts) -> Iterator[Finding]:
    """What is kept for services must be there."""
    if asked.reserved_cpus > facts.cpus:
        seen = f"{asked.reserved_cpus:g} CPUs are reserved, and there are {facts.cpus}"
        yield Finding("reserved", False, seen, "a smaller reserved_cpus in stack.services, or stack.size: small")
    if asked.reserved_memory > facts.memory:
        seen = f"{_gb(asked.reserved_memory)} of memory are reserved, and there are {_gb(facts.memory)}"
        yield Finding("reserved", False, seen, "a smaller reserved_memory in stack.services, or stack.size: small")


def _images(asked: Asked, facts: Facts) -> Iterator[Finding]:
    bad: dict[str, list[str]] = {}
    for name, why in sorted(facts.unpullable.items()):
        if name in asked.images:
            bad.setdefault(why, []).append(name)
    for why, names in bad.items():
        be, its = ("are", "their names") if len(names) > 1 else ("is", "its name")
        seen = f"{', '.join(names)} {be} not here and cannot be fetched: {why}"
        yield Finding("image", False, seen, f"check {its} and the net")
    if not bad:
        missing = sum(not is_here(image, facts.images) for image in asked.images)
        yield Finding("images", True, f"{len(asked.images) - missing} here, {missing} to fetch")


def _secrets(facts: Facts) -> Iterator[Finding]:
    open_files = {path: mode for path, mode in facts.secret_modes.items() if mode is not None and mode & 0o077}
    missing = sorted(path for path, mode in facts.secret_modes.items() if mode is None)
    for path, mode in sorted(open_files.items()):
        yield Finding("secret", False, f"others may read {path} (mode {mode:o})", f"chmod 600 {path}")
    for path in missing:
        yield Finding("secret", False, f"{path} is missing", "cli init")
    if not open_files and not missing:
        yield Finding("secrets", True, f"{len(facts.secret_modes)} there, closed to others")


def _rotations(facts: Facts) -> Iterator[Finding]:
    """No fault: the deploy takes the value that waits, tells the database, and brings it to whoever reads it."""
    for name, command in facts.broken_off.items():
        seen = f"a rotation of {name} was broken off"
        yield Finding("rotation", True, seen, f"a deploy of everything finishes it, as `{command}` does")


def _gb(size: int) -> str:
    return f"{size / 1024**3:.1f} GB"
