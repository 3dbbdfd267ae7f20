"""The stack's files, from the house, the operator's wishes and the services. Pure: the same input, the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compose.layout import COMPOSE, SECRETS
from compose.render.document import START, document
from compose.render.house_copies import house_copies
from compose.render.open_webui import environment
from compose.render.postgres_init import postgres_init
from compose.render.routes import Replicas, routes
from compose.render.start import start_script
from compose.stack.consumers import consumers
from compose.stack.selection import selection
from compose.stack.service import Service, Volume
from compose.stack.settings import Stack
from compose.text import yaml_text
from maitre.settings import House
from provisioning.open_webui_env import SECRET
from traefik.dynamic import dynamic
from traefik.static import static

DYNAMIC = "traefik/dynamic"
#: The copy of the house that `cli seed` sees, and those whose readers need the secrets that maitre.yaml names.
SEED = "seed"
ASKING = ("engine", SEED)
NETWORKS: Mapping[str, Mapping[str, Any]] = {"data": {"internal": True}, "edge": {}, "models": {}}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else goes into the files. `files`: texts of the house's folder by path; `documents`: folders and files of it
    with the documents of its collections, each with a digest of what is in it; `home`: the house's folder, seen from
    the rendered one; `versions`: the tag of each image
    of ours; `source`: the folder that these are built from, seen from the rendered one; `ours`: files of ours that
    containers read, by their path in the rendered folder."""

    files: Mapping[str, str]
    documents: Mapping[str, str]
    versions: Mapping[str, str]
    source: str = "."
    home: str = "../.."
    ours: Mapping[str, str] = field(default_factory=dict)


def render(
    house: House, stack: Stack, services: Mapping[str, Service], running: Replicas, around: Surroundings
) -> dict[str, str]:
    """Every file of the stack by its path. Raises HouseError when a service cannot be as it is wished."""
    chosen = dressed(house, stack, selection(house, stack, services), around)
    copies = house_copies(around.files, stack.cloudflare)
    made = {
        "traefik/traefik.yaml": yaml_text(static(stack)),
        **dynamic_files(stack, chosen, running),
        **{
            name: text
            for name, text in copies.items()
            if any(one.house == name.split("/")[1] for one in chosen.values())
        },
        **postgres_init(consumers(stack.profiles)),
        **{f"{one.name}/start.sh": start_script(one) for one in chosen.values() if one.secret_env},
        **{name: text for name, text in around.ours.items() if name.split("/")[0] in chosen},
    }
    made[COMPOSE] = yaml_text(_compose(house, stack, chosen, made, around))
    return dict(sorted(made.items()))


def dynamic_files(stack: Stack, chosen: Mapping[str, Service], running: Replicas) -> dict[str, str]:
    """Traefik's dynamic files; a rollout rewrites them with other containers' names."""
    return {f"{DYNAMIC}/{name}": yaml_text(one) for name, one in dynamic(routes(stack, chosen, running), stack).items()}


def dressed(house: House, stack: Stack, chosen: Mapping[str, Service], around: Surroundings) -> dict[str, Service]:
    """The services with what the house gives them: Open WebUI's environment, the secrets that maitre.yaml names, the
    tags of our images, Traefik's ports, and the job that gives volumes to their owners."""
    found = dict(chosen)
    if "open_webui" in found:
        found["open_webui"] = _open_webui(found["open_webui"], house, stack)
    found["traefik"] = _traefik(found["traefik"], stack)
    for name, one in found.items():
        image = one.image if one.build is None else replace(one.image, tag=around.versions[one.build])
        found[name] = replace(
            one,
            image=image,
            secrets=_sorted(one.secrets, _templates(one), house.asked_secrets if one.house in ASKING else ()),
            stop_grace=one.stop_grace + (stack.drain_timeout if one.rollout == "beside" else 0),
        )
    told = {f"io.maitre.documents.{entry}": digest for entry, digest in around.documents.items()}
    found["seed"] = replace(found["seed"], labels=told)
    return _owned(found, stack)


def values(house: House, stack: Stack, service: Service) -> dict[str, str]:
    """What the templates of a service stand for."""
    return {
        "domain": house.domain,
        "project": stack.project,
        "drain_timeout": str(stack.drain_timeout),
        **{f"host.{key}": name for key, name in stack.hosts.items()},
        **{f"url.{key}": public_url(stack, key) for key in stack.hosts},
        **{f"setting.{name}": value for name, value in service.settings.items()},
    }


def public_url(stack: Stack, key: str) -> str:
    """Where browsers find a service."""
    scheme, port, usual = (
        ("http", stack.http_port, 80) if stack.tls.kind == "none" else ("https", stack.https_port, 443)
    )
    return f"{scheme}://{stack.hosts[key]}" + ("" if port == usual else f":{port}")


def _compose(
    house: House, stack: Stack, chosen: Mapping[str, Service], made: Mapping[str, str], around: Surroundings
) -> dict[str, Any]:
    secrets = [(one.name, name) for one in chosen.values() for name in one.secrets]
    volumes = sorted({volume.name for one in chosen.values() for volume in one.volumes})
    networks = sorted({network for one in chosen.values() for network in one.networks})
    return {
        "name": stack.project,
        "services": {
            name: document(one, values(house, stack, one), _mounts(one, made, around), around.source)
            for name, one in chosen.items()
        },
        "networks": {name: dict(NETWORKS[name]) for name in networks},
        "volumes": {name: {} for name in volumes},
        "secrets": {f"{one}_{name}": {"file": f"./{SECRETS}/{one}/{name}"} for one, name in sorted(secrets)},
    }


def _mounts(service: Service, made: Iterable[str], around: Surroundings) -> dict[str, str]:
    """Files and folders by their path in the container."""
    found = {one.target: one.source for one in service.files}
    if service.secret_env:
        found[START] = f"{service.name}/start.sh"
    if service.house is not None:
        top = f"house/{service.house}/"
        entries = {path.removeprefix(top).split("/")[0] for path in made if path.startswith(top)}
        found |= {f"/house/{entry}": f"{top}{entry}" for entry in entries}
    if service.house == SEED:
        found |= {f"/house/{entry}": f"{around.home}/{entry}" for entry in around.documents}
    return found


def _open_webui(service: Service, house: House, stack: Stack) -> Service:
    told = environment(house, public_url(stack, "open_webui"))
    return replace(
        service,
        env={**told.plain, **service.env},
        secret_env={**told.secret, **service.secret_env},
    )


def _templates(service: Service) -> Iterable[str]:
    """The secrets that its variables are made of."""
    return (name for template in service.secret_env.values() for name in SECRET.findall(template))


def _traefik(service: Service, stack: Stack) -> Service:
    tls = stack.tls
    files = ("tls_certificate", "tls_key") if tls.kind == "files" else ()
    tokens = tls.credentials if tls.kind == "letsencrypt-dns" else {}
    ports = [(stack.http_port, 80)] + ([] if tls.kind == "none" else [(stack.https_port, 443)])
    volumes = service.volumes if tls.kind.startswith("letsencrypt") else ()
    return replace(
        service,
        volumes=volumes,
        backup=service.backup if volumes else None,
        ports=tuple(f"{stack.bind}:{published}:{target}" for published, target in ports),
        # Its DNS providers read a variable's value from the file that NAME_FILE names.
        env={**service.env, **{f"{name}_FILE": f"/run/secrets/{secret}" for name, secret in tokens.items()}},
        secrets=_sorted(service.secrets, files, tokens.values()),
    )


def _owned(chosen: Mapping[str, Service], stack: Stack) -> dict[str, Service]:
    """With the job `volumes`, before whom it serves, or without it where it has nothing to do."""
    owned = {one.name: one for service in chosen.values() for one in service.volumes if one.owner}
    found = {name: one for name, one in chosen.items() if name != "volumes"}
    if not owned:
        return found
    for name, one in found.items():
        if any(volume.owner for volume in one.volumes):
            found[name] = replace(one, depends_on={**one.depends_on, "volumes": "completed"})
    words = [f"chown -R {one.owner} /volumes/{one.name}" for _, one in sorted(owned.items())]
    job = replace(
        chosen["volumes"],
        command=(" && ".join(words),),
        volumes=tuple(Volume(name, f"/volumes/{name}") for name in sorted(owned)),
    )
    return dict(sorted({**found, "volumes": job}.items()))


def _sorted(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({one for some in names for one in some}))
