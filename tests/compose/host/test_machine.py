"""The machine against what a stack needs: what is short is a problem, the rest is advice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compose.host.machine import machine_findings
from compose.host.sizing import Needs
from compose.stack.settings import Ollama, Stack
from tests.compose.machines import GOOD

NEEDS = Needs(cores=4, memory=8, disk=40, models=3)
PUBLIC = Stack()
LANGFUSE = Stack(profiles=("langfuse",))
GPU = Stack(size="gpu", ollama=Ollama(gpu=True))
BOTH = Stack(profiles=("vllm",), ollama=Ollama(gpu=True), services={"vllm": {"settings": {"gpus": "2"}}})
LOCAL_DNS: dict[str, Any] = {"nameservers": ("127.0.0.53",)}

#: What is changed of a good machine, the stack, which finding it is, whether it is well, a word of the remedy.
CASES: list[tuple[dict[str, Any], Stack, str, bool, str]] = [
    ({"cores": 2}, PUBLIC, "cores", False, "4 cores"),
    ({"cores": 8}, PUBLIC, "cores", True, ""),
    ({"memory": 4_000_000_000}, PUBLIC, "memory", False, "8 GB"),
    ({"memory": 7_900_000_000}, PUBLIC, "memory", True, ""),
    ({"disk_free": 10_000_000_000}, PUBLIC, "disk of docker", False, "larger disk"),
    ({"flags": frozenset()}, PUBLIC, "instructions", False, "AVX2"),
    ({"flags": frozenset({"avx"})}, PUBLIC, "instructions", True, "AVX2"),
    ({"flags": frozenset({"avx"})}, LANGFUSE, "instructions", False, "ClickHouse"),
    ({"flags": frozenset()}, GPU, "instructions", True, ""),
    ({}, GPU, "gpu", False, "driver"),
    ({"gpus": 1}, GPU, "gpu", True, ""),
    ({"gpus": 1}, BOTH, "gpu", False, "vllm"),
    ({"gpus": 3}, BOTH, "gpu", True, ""),
    ({"swap": 2_000_000_000}, PUBLIC, "swap", True, "swapoff"),
    ({"swap": 2_000_000_000, "swap_used": 1_500_000_000}, PUBLIC, "swap", False, "too little memory"),
    ({"huge_pages": 1024, "huge_free": 1024}, PUBLIC, "huge pages", True, "nr_hugepages=0"),
    ({"huge_pages": 1024, "huge_free": 100}, PUBLIC, "huge pages", True, ""),
    ({"transparent": "always"}, PUBLIC, "huge pages", True, "madvise"),
    ({"overcommit": 0}, PUBLIC, "overcommit", True, "overcommit_memory=1"),
    ({"nameservers": ()}, PUBLIC, "name servers", False, "resolv.conf"),
    (LOCAL_DNS, PUBLIC, "name servers", True, "daemon.json"),
    (LOCAL_DNS | {"resolved": True}, PUBLIC, "name servers", True, ""),
    (LOCAL_DNS | {"engine_dns": ("192.0.2.1",)}, PUBLIC, "name servers", True, ""),
    ({"docker_user": False, "ufw": True}, PUBLIC, "firewall", True, "DOCKER-USER"),
    ({"docker_user": False}, PUBLIC, "firewall", True, "SSH"),
    ({"docker_user": None, "ufw": None}, PUBLIC, "firewall", True, "sizing.md"),
    ({"docker_user": False}, Stack(bind="127.0.0.1"), "firewall", True, ""),
]


@pytest.mark.parametrize(("change", "stack", "what", "ok", "remedy"), CASES)
def test_a_finding(change: dict[str, Any], stack: Stack, what: str, ok: bool, remedy: str) -> None:
    """Each thing that docs/sizing.md tells of a host is looked at, and the remedy says what to do."""
    found = [one for one in machine_findings(replace(GOOD, **change), stack, NEEDS) if one.what == what]
    assert [one.ok for one in found] == [ok]
    assert remedy in found[0].remedy if remedy else not found[0].remedy


def test_a_good_machine_needs_no_advice() -> None:
    """Where everything is as advised nothing is said but what was seen."""
    assert all(one.ok and one.seen and not one.remedy for one in machine_findings(GOOD, PUBLIC, NEEDS))


def test_models_that_do_not_fit() -> None:
    """Unknown models and those that are slow on this machine are told; in a GPU none is slow."""
    wanted = replace(NEEDS, unknown=("phantom",), slow=("llama3.1:8b",))
    told = [one.seen for one in machine_findings(GOOD, PUBLIC, wanted) if one.what == "models"]
    assert told == ["not in the table of sizes: phantom", "slow on a CPU: llama3.1:8b"]
    assert len([one for one in machine_findings(GOOD, GPU, wanted) if one.what == "models"]) == 1
