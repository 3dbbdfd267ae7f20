"""The host against the table of sizes: pure findings, which advise and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compose.host.finding import Finding
from compose.host.sizing import Needs
from compose.stack.settings import Stack
from compose.stack.vllm import COUNT as VLLM_GPUS

GB = 1e9
#: A rented machine of "8 GB" shows its programs a little less.
ROUNDED = 0.92


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine has. Sizes are in bytes; None is what could not be seen."""

    cores: int
    memory: int
    flags: frozenset[str]  # of the CPU, as Linux names them
    swap: int
    swap_used: int
    huge_pages: int  # reserved by the host's settings
    huge_free: int
    transparent: str  # huge pages: always, madvise, never, or "" where there are none
    overcommit: int | None  # vm.overcommit_memory
    disk_free: int | None  # where Docker keeps its data
    gpus: int
    nameservers: tuple[str, ...]  # of the host
    engine_dns: tuple[str, ...]  # of the engine's own settings
    resolved: bool  # whether systemd-resolved is there
    ufw: bool | None  # whether it filters
    docker_user: bool | None  # whether the chain DOCKER-USER has rules


def machine_findings(machine: Machine, stack: Stack, needs: Needs) -> Iterator[Finding]:
    """Look at everything that docs/sizing.md tells of a host."""
    yield _amount("cores", machine.cores, needs.cores, "", f"rent a host with {needs.cores} cores or more")
    memory = f"rent a host with {needs.memory:.0f} GB, or choose smaller models (docs/sizing.md)"
    yield _amount("memory", machine.memory / GB, needs.memory, " GB", memory)
    if machine.disk_free is not None:
        disk = "give Docker's folder a larger disk, or remove what `docker system df` shows as unused"
        yield _amount("disk of docker", machine.disk_free / GB, needs.disk, " GB free", disk)
    yield _instructions(machine, stack)
    yield from _models(stack, needs)
    yield from _gpu(machine, stack)
    yield _swap(machine)
    yield _huge(machine)
    if machine.overcommit == 0:
        remedy = "sysctl vm.overcommit_memory=1: else Valkey may fail to save while memory is short"
        yield Finding("overcommit", True, "vm.overcommit_memory is 0", remedy)
    yield _names(machine)
    yield _firewall(machine, stack)


def _amount(what: str, there: float, wanted: float, unit: str, remedy: str) -> Finding:
    well = there >= wanted * (ROUNDED if unit else 1)
    return Finding(what, well, f"{there:.0f}{unit}; {wanted:.0f} are advised", "" if well else remedy)


def _instructions(machine: Machine, stack: Stack) -> Finding:
    has = [name for name in ("avx", "avx2", "avx512f") if name in machine.flags]
    seen = ", ".join(has) or "no AVX"
    if "avx2" in machine.flags:
        return Finding("instructions", True, seen)
    if "langfuse" in stack.profiles:
        return Finding("instructions", False, seen, "rent a host with AVX2: ClickHouse does not start without it")
    if stack.ollama.gpu:
        return Finding("instructions", True, seen)
    remedy = "rent a host with AVX2: models on a CPU are several times slower without it"
    return Finding("instructions", "avx" in machine.flags, seen, remedy)


def _models(stack: Stack, needs: Needs) -> Iterator[Finding]:
    if needs.unknown:
        remedy = "see how much memory they take with `ollama ps` once they run"
        yield Finding("models", True, f"not in the table of sizes: {', '.join(needs.unknown)}", remedy)
    if needs.slow and not stack.ollama.gpu:
        yield Finding("models", True, f"slow on a CPU: {', '.join(needs.slow)}", "llama3.2:3b, or a GPU")


def _gpu(machine: Machine, stack: Stack) -> Iterator[Finding]:
    wanted = gpus_of(stack)
    if wanted:
        well = machine.gpus >= wanted
        remedy = "install NVIDIA's driver and container toolkit, or choose the size `small` without vllm"
        yield Finding("gpu", well, f"{machine.gpus} seen, {wanted} wanted", "" if well else remedy)


def gpus_of(stack: Stack) -> int:
    """How many GPUs the stack's services have for themselves."""
    ollama = stack.ollama.instances if stack.ollama.gpu else 0
    wish = stack.services.get("vllm", {}).get("settings", {})
    return ollama + (int(wish.get(VLLM_GPUS, 1)) if "vllm" in stack.profiles else 0)


def _swap(machine: Machine) -> Finding:
    if not machine.swap:
        return Finding("swap", True, "off")
    seen = f"{machine.swap / GB:.1f} GB, {machine.swap_used / GB:.1f} used"
    if machine.swap_used > machine.memory / 20:
        return Finding("swap", False, seen, "the host has too little memory: give it more, then swapoff -a")
    return Finding("swap", True, seen, "swapoff -a: a model that is swapped out answers in minutes")


def _huge(machine: Machine) -> Finding:
    kinds = f"{machine.huge_pages} reserved, {machine.huge_free} of them free"
    seen = f"{kinds}; transparent ones: {machine.transparent or 'none'}"
    if machine.huge_pages and machine.huge_free == machine.huge_pages:
        return Finding("huge pages", True, seen, "sysctl vm.nr_hugepages=0: nobody uses them, and they are lost to all")
    if machine.transparent == "always":
        remedy = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled: with `always` Valkey's saves take longer"
        return Finding("huge pages", True, seen, remedy)
    return Finding("huge pages", True, seen)


def _names(machine: Machine) -> Finding:
    told = ", ".join(machine.engine_dns or machine.nameservers) or "none"
    local = bool(machine.nameservers) and all(one.startswith("127.") or one == "::1" for one in machine.nameservers)
    if not machine.nameservers and not machine.engine_dns:
        return Finding(
            "name servers", False, told, 'name one in /etc/resolv.conf, or as "dns" in the engine\'s daemon.json'
        )
    if local and not machine.engine_dns and not machine.resolved:
        remedy = (
            "set \"dns\" in the engine's daemon.json: containers cannot reach the host's, and ask a public one instead"
        )
        return Finding("name servers", True, told, remedy)
    return Finding("name servers", True, told)


def _firewall(machine: Machine, stack: Stack) -> Finding:
    ports = f"{stack.bind}:{stack.http_port} and :{stack.https_port} are published"
    if stack.bind.startswith("127."):
        return Finding("firewall", True, ports)
    if machine.docker_user:
        return Finding("firewall", True, f"{ports}; the chain DOCKER-USER has rules")
    if machine.ufw:
        remedy = (
            "published ports pass ufw by: what they shall not reach belongs into the chain DOCKER-USER (docs/sizing.md)"
        )
        return Finding("firewall", True, f"{ports}; ufw is on", remedy)
    if machine.ufw is None and machine.docker_user is None:
        return Finding("firewall", True, f"{ports}; the host's firewall could not be read", "see docs/sizing.md")
    remedy = "close everything but SSH, 80 and 443, best in the provider's firewall (docs/sizing.md)"
    return Finding("firewall", True, f"{ports}; no firewall was found on the host", remedy)
