"""What must hold before a deploy: one finding a look, and a sentence a fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compose.host.docker_facts import apart, last_words
from compose.host.facts import Asked, Facts
from compose.host.preflight import preflight

GB = 1024**3
ASKED = Asked(
    domain="chat.kyiv.ua",
    hosts=("chat.chat.kyiv.ua",),
    certificates="letsencrypt-http",
    behind_proxy=False,
    ports=(("0.0.0.0", 80), ("0.0.0.0", 443)),
    memory=8 * GB,
    built=frozenset({"maitre/engine:1"}),
    images=frozenset({"traefik:v3", "pgvector/pgvector:0.8.6-pg18"}),
    cpus={"gateway": 1, "ollama": 4, "postgres": 2.5},
    reserved_cpus=3,
    reserved_memory=2 * GB,
)
FACTS = Facts(
    engine="28.0",
    compose="5.6.1",
    cpus=4,
    memory=16 * GB,
    disk_free=100 * GB,
    images=frozenset({"traefik:v3"}),
    addresses=frozenset({"93.184.216.34"}),
    names={"chat.chat.kyiv.ua": ("93.184.216.34",)},
    secret_modes={"/h/.maitre/secrets/stamp": 0o600},
)


def bad(asked: Asked = ASKED, facts: Facts = FACTS) -> list[tuple[str, str]]:
    """What is wrong: the look, and what was seen."""
    return [(one.what, one.seen) for one in preflight(asked, facts) if not one.ok]


def test_a_good_machine_has_no_fault() -> None:
    """Every look is well, and none has a warning."""
    assert [one for one in preflight(ASKED, FACTS) if not one.ok or one.remedy] == []


@pytest.mark.parametrize(
    ("asked", "facts", "what", "seen"),
    [
        ({}, {"engine": None, "engine_fault": "there is no socket"}, "engine", "Docker does not answer: there is no"),
        ({}, {"engine_apart": "rootless"}, "engine", "Docker 28.0 is rootless"),
        ({}, {"compose": None}, "compose", "neither `docker compose` nor `docker-compose` answers"),
        ({}, {"compose": "2.19.1"}, "compose", "2.19.1"),
        ({}, {"architecture": "aarch64"}, "architecture", "aarch64"),
        ({}, {"busy": {("0.0.0.0", 80): "nginx (pid 7)"}}, "port", "0.0.0.0:80 is held by nginx (pid 7)"),
        ({}, {"busy": {("0.0.0.0", 443): ""}}, "port", "0.0.0.0:443 is held by another process"),
        ({"domain": ""}, {}, "domain", "maitre.yaml names no domain"),
        ({"domain": "maitre.example"}, {}, "domain", "no certificate can be had for maitre.example"),
        ({}, {"names": {}}, "dns", "chat.chat.kyiv.ua has no address in the DNS"),
        ({}, {"names": {"chat.chat.kyiv.ua": ("8.8.8.8",)}}, "dns", "chat.chat.kyiv.ua leads to 8.8.8.8, not here"),
        ({}, {"disk_free": 5 * GB}, "disk", "5.0 GB free"),
        ({}, {"memory": 3 * GB}, "memory", "3.0 GB, and the services may take 8.0 GB together"),
        ({}, {"cpus": 3}, "cpus", "this machine has 3 CPUs, and the limit of ollama (4) is above that"),
        ({"reserved_cpus": 6}, {}, "reserved", "6 CPUs are reserved, and there are 4"),
        ({"reserved_memory": 20 * GB}, {}, "reserved", "20.0 GB of memory are reserved, and there are 16.0 GB"),
        ({}, {"unpullable": {"traefik:v3": "no such host"}}, "image", "traefik:v3 is not here and cannot be fetched"),
        ({}, {"secret_modes": {"/s/stamp": 0o644}}, "secret", "others may read /s/stamp (mode 644)"),
        ({}, {"secret_modes": {"/s/stamp": None}}, "secret", "/s/stamp is missing"),
    ],
)
def test_each_fault_is_one_finding_with_a_remedy(
    asked: dict[str, Any], facts: dict[str, Any], what: str, seen: str
) -> None:
    """One thing is wrong: one finding says it, with what to do; nothing else complains."""
    findings = preflight(replace(ASKED, **asked), replace(FACTS, **facts))
    (fault,) = [one for one in findings if not one.ok]
    assert fault.what == what
    assert fault.seen.startswith(seen)
    assert fault.remedy


@pytest.mark.parametrize(
    ("asked", "facts"),
    [
        ({"certificates": "none"}, {}),
        ({"certificates": "files"}, {}),
        ({"certificates": "letsencrypt-dns"}, {}),
        ({"behind_proxy": True}, {}),
        ({}, {"addresses": frozenset({"10.0.0.5", "127.0.0.1"})}),
    ],
)
def test_a_name_that_leads_elsewhere_is_a_warning_where_no_certificate_needs_it(
    asked: dict[str, Any], facts: dict[str, Any]
) -> None:
    """On a private host, behind a proxy, or with certificates of one's own, the deploy goes on and says it."""
    seen = preflight(replace(ASKED, **asked), replace(FACTS, names={}, **facts))
    assert [(one.ok, bool(one.remedy)) for one in seen if one.what == "dns"] == [(True, True)]
    assert all(one.ok for one in seen)


def test_memory_below_the_limits_is_a_warning() -> None:
    """Not every service reaches its limit at once."""
    (found,) = [one for one in preflight(ASKED, replace(FACTS, memory=6 * GB)) if one.what == "memory"]
    assert found.ok
    assert found.remedy


def test_limits_above_the_machine_name_what_to_write() -> None:
    """Docker would refuse them in the middle of a deploy: one sentence has them all, and the lines to write."""
    (found,) = [one for one in preflight(replace(ASKED, reserved_cpus=1), replace(FACTS, cpus=2)) if not one.ok]
    assert "the limit of ollama (4), postgres (2.5) is" in found.seen
    fewer = "services: { ollama: { cpus: 2 }, postgres: { cpus: 2 } }"
    assert found.remedy == f"below `stack:` in maitre.yaml write `{fewer}`"


def test_images_of_one_cause_are_one_sentence() -> None:
    """Without the net all fail alike; one that is only misspelt is told apart."""
    names = {"a:1": "no such host", "b:2": "no such host", "c:3": "denied"}
    asked = replace(ASKED, images=frozenset(names))
    assert bad(asked, replace(FACTS, unpullable=names)) == [
        ("image", "a:1, b:2 are not here and cannot be fetched: no such host"),
        ("image", "c:3 is not here and cannot be fetched: denied"),
    ]


@pytest.mark.parametrize(
    ("said", "short"),
    [
        ('Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host', "no such host"),
        ('Head "https://ghcr.io/v2/a/manifests/1": unauthorized', "unauthorized"),
        ("manifest unknown", "manifest unknown"),
        (
            "500 Server Error for http+docker://localhost/v1.47/distribution/a:1/json: Internal Server Error",
            "Internal Server Error",
        ),
        (
            "errors:\ndenied: requested access to the resource is denied\n",
            "requested access to the resource is denied",
        ),
    ],
)
def test_the_engine_s_last_words(said: str, short: str) -> None:
    """What is left of the engine's sentence is its cause, without addresses of its own."""
    assert last_words(said) == short


@pytest.mark.parametrize(
    ("told", "url", "why"),
    [
        ({}, "http+docker://localhost", ""),
        ({"SecurityOptions": ["name=seccomp,profile=builtin"]}, "http://127.0.0.1:2375", ""),
        ({"SecurityOptions": None}, "http://[::1]:2375", ""),
        ({"SecurityOptions": ["name=seccomp", "name=rootless"]}, "http+docker://localhost", "rootless"),
        (
            {"OperatingSystem": "Docker Desktop"},
            "http+docker://localhost",
            "Docker Desktop, which runs in a machine of",
        ),
        ({}, "http://10.0.0.1:2375", "on another machine (10.0.0.1)"),
        ({}, "http+docker://ssh", "on another machine (ssh)"),
    ],
)
def test_an_engine_that_is_not_this_machine_s(told: dict[str, Any], url: str, why: str) -> None:
    """An engine that sees another disk, or hides the guests' addresses, is told from this machine's own."""
    assert apart(told, url).startswith(why)
    assert bool(apart(told, url)) == bool(why)
