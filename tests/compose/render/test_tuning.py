"""Every tuning value of the stack analysis, with what is rendered here, and why ours differs where it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.house import Rendered, copy_house, render_house


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """The larger size without any override; its provider asks Ollama for four calls at once."""
    local = {"kind": "ollama", "base_url": "http://ollama:11434", "max_concurrent": 4, "models": {"m": {}}}
    changed = {"stack": {"size": "gpu"}, "providers": {"local": local}, "plans": {}, "tools": {}, "users": USERS}
    return render_house(copy_house("gpu", tmp_path_factory.mktemp("houses") / "house", **changed))


USERS = [{"email": "admin@maitre.example", "name": "Ada", "role": "admin"}]


def environment(service: str, name: str) -> Callable[[Rendered], Any]:
    """A variable of a service."""
    return lambda one: one.compose["services"][service]["environment"][name]


def limit(service: str, part: str, name: str) -> Callable[[Rendered], Any]:
    """A limit or a reservation of a service."""
    return lambda one: one.compose["services"][service]["deploy"]["resources"][part][name]


def postgres(name: str) -> Callable[[Rendered], Any]:
    """A setting of Postgres."""

    def value(one: Rendered) -> str:
        words = one.compose["services"]["postgres"]["command"]
        return next(word for word in words if word.startswith(f"{name}=")).partition("=")[2]

    return value


def valkey(name: str) -> Callable[[Rendered], Any]:
    """A setting of Valkey."""

    def value(one: Rendered) -> str:
        words = one.compose["services"]["valkey"]["command"]
        return words[words.index(f"--{name}") + 1]

    return value


def log(name: str) -> Callable[[Rendered], Any]:
    """An option of every service's log."""

    def value(one: Rendered) -> str:
        (every,) = {section["logging"]["options"][name] for section in one.compose["services"].values()}
        return every

    return value


def rate(name: str) -> Callable[[Rendered], Any]:
    """A number of Traefik's rate limit for guests."""
    return lambda one: _limits(one)["rateLimit"][name]


def _limits(one: Rendered) -> Any:
    return yaml.safe_load(one.files["traefik/dynamic/shared.yaml"])["http"]["middlewares"]["limit"]


#: What it is, the analysis's value, where it stands, ours if it is another one, and why.
VALUES = (
    ("OLLAMA_NUM_PARALLEL", "4", environment("ollama", "OLLAMA_NUM_PARALLEL"), "4", "max_concurrent of the provider"),
    ("OLLAMA_MAX_LOADED_MODELS", "2", environment("ollama", "OLLAMA_MAX_LOADED_MODELS"), "2", ""),
    ("OLLAMA_KEEP_ALIVE", "24h", environment("ollama", "OLLAMA_KEEP_ALIVE"), "24h", ""),
    ("Ollama's cores", "8", limit("ollama", "limits", "cpus"), "8", ""),
    ("Ollama's memory", "16G", limit("ollama", "limits", "memory"), "16g", ""),
    ("Ollama's cores kept", "4", limit("ollama", "reservations", "cpus"), "4", ""),
    ("Ollama's memory kept", "8G", limit("ollama", "reservations", "memory"), "8g", ""),
    ("shared_buffers", "2GB", postgres("shared_buffers"), "2GB", ""),
    ("effective_cache_size", "6GB", postgres("effective_cache_size"), "6GB", ""),
    (
        "work_mem",
        "256MB",
        postgres("work_mem"),
        "32MB",
        "it is of each sort of each connection: 200 connections with 256 MB are 50 GB, and the limit is 8 GB",
    ),
    ("maintenance_work_mem", "512MB", postgres("maintenance_work_mem"), "512MB", ""),
    ("random_page_cost", "1.1", postgres("random_page_cost"), "1.1", ""),
    ("effective_io_concurrency", "200", postgres("effective_io_concurrency"), "200", ""),
    ("Redis's memory", "1gb", valkey("maxmemory"), "1gb", ""),
    (
        "Redis's maxmemory-policy",
        "allkeys-lru",
        valkey("maxmemory-policy"),
        "noeviction",
        "it holds quotas, queues and leases: what is evicted would let a guest in for free; allkeys-lru is for caches",
    ),
    ("Redis's snapshots", "", valkey("save"), "", "an append-only file keeps the data instead"),
    (
        "Redis's appendonly",
        "no",
        valkey("appendonly"),
        "yes",
        "windows and queues outlive a restart; a write a second costs nothing that a guest would notice",
    ),
    ("log max-size", "10m", log("max-size"), "10m", ""),
    ("log max-file", "3", log("max-file"), "3", ""),
    ("rate limit, average", 100, rate("average"), 100, ""),
    ("rate limit, burst", 50, rate("burst"), 50, ""),
    ("another service's memory", "2G", limit("open_webui", "limits", "memory"), "4g", "the size gpu; small has 2g"),
    (
        "another service's memory kept",
        "512M",
        lambda one: one.compose["services"]["open_webui"]["deploy"]["resources"].get("reservations"),
        None,
        "Docker keeps nothing free for a container, it only says whom to squeeze first; the stores and Ollama have it",
    ),
)


@pytest.mark.parametrize(("what", "theirs", "value", "ours", "why"), VALUES, ids=[one[0] for one in VALUES])
def test_tuning(gpu: Rendered, what: str, theirs: Any, value: Callable[[Rendered], Any], ours: Any, why: str) -> None:
    """The value stands in the rendered files; one that is not the analysis's has its reason."""
    assert value(gpu) == ours
    assert why or str(theirs).lower() == str(ours).lower()


@pytest.mark.parametrize("size", ["small", "gpu"])
def test_postgres_fits_into_its_memory(size: str, tmp_path: Path) -> None:
    """What Postgres may take for buffers, and for a sort of every fourth connection, is less than its limit."""
    one = render_house(copy_house("small", tmp_path / "house", stack={"size": size}))
    settings = {name: megabytes(value) for name, value in one.services["postgres"].settings.items() if "B" in value}
    connections = int(one.services["postgres"].settings["max_connections"])
    taken = settings["shared_buffers"] + settings["maintenance_work_mem"] + settings["work_mem"] * connections / 4
    assert taken < megabytes(one.services["postgres"].limits.memory)


def megabytes(amount: str) -> float:
    """Of an amount such as 2GB or 512m."""
    found = re.fullmatch(r"([0-9.]+)([mg])b?", amount.lower())
    assert found
    return float(found[1]) * (1024 if found[2] == "g" else 1)
