"""A small stack for the tests: Traefik, a gateway whose containers start beside the old ones, a store and two jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from compose.deploy.releases import Contents
from compose.deploy.steps import Compose
from compose.render.secret_copy import Copy
from compose.running import BESIDE, ROLLOUT

PROJECT = "house"
JOBS = ("migrate", "seed")
#: The services' copies of their secrets.
SECRETS = ("postgres/postgres_password", "gateway/gateway_key")
COMPOSE = Compose(("docker-compose",), PROJECT, "/stack/compose.yaml")


def service(image: str, **more: Any) -> dict[str, Any]:
    """A service with a memory limit."""
    return {"image": image, "deploy": {"resources": {"limits": {"memory": "1g", "cpus": "1"}}}, **more}


def document() -> dict[str, Any]:
    """The Compose file."""
    return {
        "name": PROJECT,
        "services": {
            "traefik": service(
                "traefik:v3",
                ports=["127.0.0.1:80:80", "127.0.0.1:443:443"],
                volumes=["./traefik/traefik.yaml:/etc/traefik/traefik.yaml:ro", "./traefik/dynamic:/etc/dynamic:ro"],
            ),
            "postgres": service("pgvector/pgvector:0.8.6-pg18", secrets=[{"source": "postgres_password"}]),
            "migrate": service("maitre/engine:1", build="images/engine", depends_on=["postgres"], restart="no"),
            "gateway": service(
                "maitre/engine:1",
                build="images/engine",
                labels={ROLLOUT: BESIDE},
                depends_on=["postgres", "migrate"],
                environment={"MAITRE_HOUSE": "/house", "LOG_LEVEL": "info"},
                secrets=[{"source": "gateway_key"}],
            ),
            "seed": service("maitre/engine:1", build="images/engine", depends_on=["gateway"], restart="no"),
        },
        "secrets": {path.split("/")[1]: {"file": f"./secrets/{path}"} for path in SECRETS},
    }


def files(of: dict[str, Any] | None = None, /, **more: str) -> dict[str, str]:
    """The rendered files of the stack."""
    dynamic = {
        "http": {"services": {"gateway": {"loadBalancer": {"servers": [{"url": "http://house-gateway-1:8000"}]}}}}
    }
    return {
        "compose.yaml": yaml.safe_dump(of or document()),
        "traefik/traefik.yaml": "api: {}\n",
        "traefik/dynamic/gateway.yaml": yaml.safe_dump(dynamic),
        **more,
    }


def contents(files: Mapping[str, str]) -> Contents:
    """What a release of these files brings."""
    declared = yaml.safe_load(files["compose.yaml"])["secrets"].values()
    paths = {one["file"].removeprefix("./secrets/") for one in declared}
    return Contents(files, {path: Copy(path.split("/")[1], "plain", 0) for path in sorted(paths)})
