"""One service as Compose writes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compose.render.templates import fill
from compose.running import BESIDE, ROLLOUT
from compose.stack.service import Service

#: Of every container's log.
LOGGING = {"driver": "json-file", "options": {"max-file": "3", "max-size": "10m"}}
START = "/start.sh"
#: Of a tmpfs that says none. Docker's own is half of the machine's memory; what lies there counts as the container's.
TMPFS = "size=64m"


def document(service: Service, values: Mapping[str, str], mounts: Mapping[str, str], source: str) -> dict[str, Any]:
    """The service's section. `values`: what its templates stand for; `mounts`: rendered files and folders by the path
    in the container; `source`: the folder that our images are built from."""
    rolled = {ROLLOUT: BESIDE} if service.rollout == BESIDE else {}
    made: dict[str, Any] = {
        "image": service.image.reference,
        "init": True,
        "restart": "no" if service.job else "unless-stopped",
        "read_only": service.read_only,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": LOGGING,
        "labels": {"io.maitre.service": service.name, **rolled, **service.labels},
        "deploy": _deploy(service),
        "stop_grace_period": f"{service.stop_grace}s",
        **_network(service),
    }
    texts = {key: [_text(one, service, values) for one in words] for key, words in _words(service).items() if words}
    mounted = [f"./{path}:{target}:ro" for target, path in sorted(mounts.items())]
    optional: dict[str, Any] = {
        "build": {"context": source, "dockerfile": f"compose/images/{service.build}/Dockerfile"}
        if service.build
        else None,
        "user": service.user,
        **texts,
        "environment": {name: _text(one, service, values) for name, one in sorted(service.env.items())},
        "secrets": [{"source": f"{service.name}_{name}", "target": name} for name in service.secrets],
        "volumes": [*mounted, *(f"{one.name}:{one.target}" for one in service.volumes)],
        "tmpfs": [_tmpfs(one) for one in service.tmpfs],
        "cap_add": list(service.capabilities),
        "depends_on": {name: {"condition": _CONDITION[how]} for name, how in sorted(service.depends_on.items())},
        "healthcheck": _health(service, values),
        "shm_size": service.shm_size,
        "stop_signal": service.stop_signal,
        "ports": [_port(one) for one in service.ports],
    }
    return made | {key: value for key, value in optional.items() if value}


_CONDITION = {"healthy": "service_healthy", "started": "service_started", "completed": "service_completed_successfully"}


def _text(text: str, service: Service, values: Mapping[str, str]) -> str:
    """Filled, and with nothing left for Compose to fill."""
    return fill(text, values, f"services/{service.name}.yaml").replace("$", "$$")


def _tmpfs(written: str) -> str:
    """`path`, or `path:options`, never without a size."""
    path, _, options = written.partition(":")
    return written if "size=" in options else f"{path}:{','.join(filter(None, (options, TMPFS)))}"


def _words(service: Service) -> dict[str, tuple[str, ...]]:
    entrypoint = ("/bin/sh", START) if service.secret_env else service.entrypoint
    return {"entrypoint": entrypoint, "command": service.command}


def _network(service: Service) -> dict[str, Any]:
    if not service.networks:
        return {"network_mode": "none"}
    named = {"aliases": list(service.aliases)} if service.aliases else None
    return {"networks": dict.fromkeys(service.networks, named) if named else list(service.networks)}


def _deploy(service: Service) -> dict[str, Any]:
    limits = service.limits
    reserved: dict[str, Any] = {"cpus": limits.reserved_cpus, "memory": limits.reserved_memory}
    if service.gpus:
        which = {"count": "all"} if service.gpus == ("all",) else {"device_ids": list(service.gpus)}
        reserved["devices"] = [{"capabilities": ["gpu"], "driver": "nvidia", **which}]
    kept = {key: value for key, value in reserved.items() if value}
    resources: dict[str, Any] = {"limits": {"cpus": limits.cpus, "memory": limits.memory, "pids": limits.pids}}
    resources |= {"reservations": kept} if kept else {}
    return {"resources": resources} | ({"replicas": service.replicas} if service.replicas > 1 else {})


def _health(service: Service, values: Mapping[str, str]) -> dict[str, Any] | None:
    health = service.health
    if health is None:
        return None
    return {
        "test": [_text(word, service, values) for word in health.test],
        "interval": f"{health.interval}s",
        "timeout": f"{health.timeout}s",
        "retries": health.retries,
        "start_period": f"{health.start_period}s",
    }


def _port(written: str) -> dict[str, Any]:
    """`address:published:target`, as Compose writes it at length."""
    address, published, target = written.rsplit(":", 2)
    return {"host_ip": address, "published": published, "target": int(target), "protocol": "tcp"}
