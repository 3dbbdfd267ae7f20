"""What runs, from Docker's inspection, and what Traefik is told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compose import running as running_module
from compose.deploy.servers import redirected
from compose.running import Container, Running, container, running


def inspected(**state: Any) -> dict[str, Any]:
    """An answer of `GET /containers/ID/json`, cut down to what matters."""
    return {
        "Id": "abc",
        "Name": "/house-gateway-2",
        "Config": {
            "Image": "maitre/engine:1",
            "Labels": {
                "com.docker.compose.project": "house",
                "com.docker.compose.service": "gateway",
                "com.docker.compose.container-number": "2",
                "com.docker.compose.oneoff": "False",
                "io.maitre.config": "c1",
                "io.maitre.reads": "secret:gateway_key=d1 house/engine/maitre.yaml=d2",
            },
        },
        "State": {"Status": "running", "Pid": 42, "ExitCode": 0, "Health": {"Status": "healthy"}, **state},
    }


def test_a_container_is_read() -> None:
    """Its service, number, image, state and our labels."""
    reads = {"secret:gateway_key": "d1", "house/engine/maitre.yaml": "d2"}
    assert container(inspected()) == Container(
        "abc", "house-gateway-2", "gateway", 2, "maitre/engine:1", "running", "healthy", 0, 42, "c1", reads
    )


@pytest.mark.parametrize(
    ("state", "well", "fault"),
    [
        ({}, True, ""),
        ({"Health": None}, True, ""),
        ({"Health": {"Status": "starting"}}, False, "is starting"),
        ({"Health": {"Status": "unhealthy"}}, False, "is unhealthy"),
        ({"Status": "restarting"}, False, "is restarting"),
        ({"Status": "restarting", "ExitCode": 1, "restarts": 3}, False, "ends again and again (exit code 1)"),
        ({"restarts": 3}, True, ""),
        ({"Status": "exited", "ExitCode": 137, "Pid": 0}, False, "has stopped (exit code 137)"),
    ],
)
def test_whether_it_is_well(state: dict[str, Any], well: bool, fault: str) -> None:
    """Running, and healthy where it says so; else the words for it."""
    one = container({**inspected(**state), "RestartCount": state.pop("restarts", 0)})
    assert (one.well, one.fault) == (well, fault)


def test_jobs_of_compose_run_are_not_among_what_runs() -> None:
    """They come and go by themselves."""
    seen = inspected()
    seen["Config"]["Labels"]["com.docker.compose.oneoff"] = "True"
    assert running([container(seen)]) == Running()


def test_traefik_is_told_the_containers_that_run() -> None:
    """Servers named by container become those that run; others, and services without containers, stay as rendered."""

    def services(*urls: str) -> dict[str, Any]:
        return {"http": {"services": {"s": {"loadBalancer": {"servers": [{"url": url} for url in urls]}}}}}

    two = Running(tuple(Container(str(n), f"house-gateway-{n}", "gateway", n, "i", "running") for n in (2, 3)))
    rendered = services("http://house-gateway-1:8000", "http://house-rag-1:8100", "http://open_webui:8080")
    assert redirected(rendered, two, "house") == services(
        "http://house-gateway-2:8000",
        "http://house-gateway-3:8000",
        "http://house-rag-1:8100",
        "http://open_webui:8080",
    )
    assert redirected({"tls": {}}, two, "house") == {"tls": {}}


def test_guests_are_sent_to_those_that_are_well() -> None:
    """To all of a service's containers while none of them is."""
    gateways = [Container(str(n), f"house-gateway-{n}", "gateway", n, "i", "running", "unhealthy") for n in (1, 2)]
    rags = [replace(one, name=f"house-rag-{one.number}", service="rag") for one in gateways]
    rags[1] = replace(rags[1], health="healthy")
    assert [one.name for one in Running((*gateways, *rags)).serving.containers] == [
        "house-gateway-1",
        "house-gateway-2",
        "house-rag-2",
    ]


def test_a_container_that_is_gone_is_lost() -> None:
    """Nobody waits for it, and it is not taken for a healthy one."""
    one = running_module.gone("0123456789abcdef")
    assert (one.well, one.lost, one.name, one.fault) == (False, True, "container 0123456789ab", "is gone")
