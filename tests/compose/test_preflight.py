"""What must hold before a deploy: one finding a look, and a sentence a fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compose.facts import Asked, Facts
from compose.preflight import preflight

GB = 1024**3
ASKED = Asked(
    domain="chat.kyiv.ua",
    hosts=("chat.chat.kyiv.ua",),
    certificates="letsencrypt-http",
    behind_proxy=False,
    ports=(("0.0.0.0", 80), ("0.0.0.0", 443)),
    memory=8 * GB,
    cpus={"ollama": 4, "gateway": 0.5},
    built=frozenset({"maitre/engine:1"}),
    images=frozenset({"traefik:v3", "pgvector/pgvector:0.8.6-pg18"}),
)
FACTS = Facts(
    engine="28.0",
    compose="5.6.1",
    memory=16 * GB,
    cores=4,
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
        ({}, {"cores": 2}, "cores", "cores: 2, and more are allowed to: ollama 4"),
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
