"""What the files of Traefik say, as data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from compose.stack.settings import Stack, Tls
from maitre.errors import HouseError
from tests.traefik.routes import GATEWAY, HOSTS, LANGFUSE, OPEN_WEBUI, PIPELINES, PLAIN
from traefik.dynamic import dynamic
from traefik.networks import CLOUDFLARE
from traefik.places import INTERNAL
from traefik.routed import Routed
from traefik.static import static

ALL = [GATEWAY, LANGFUSE, OPEN_WEBUI, PIPELINES]
HTTPS = replace(PLAIN, tls=Tls(email="me@example"))
OWN = replace(PLAIN, tls=Tls(kind="files"))
DNS = replace(PLAIN, tls=Tls(kind="letsencrypt-dns", email="me@example", dns_provider="hetzner"))


def routers_of(stack: Stack, *routes: Routed) -> dict[str, Any]:
    """Every router of the dynamic files."""
    found: dict[str, Any] = {}
    for content in dynamic(routes, stack).values():
        found |= content["http"]["routers"]
    return found


@pytest.mark.parametrize("stack", [PLAIN, HTTPS, OWN, DNS, replace(HTTPS, cloudflare=True)])
def test_the_same_stack_gives_the_same_files(stack: Stack) -> None:
    """Nothing of the moment or the machine gets in, and no part of the files is empty."""
    made = [static(stack), dynamic(ALL, stack)]
    assert json.dumps(made) == json.dumps([static(stack), dynamic(ALL, stack)])
    assert made[1].keys() == {"gateway.yaml", "langfuse.yaml", "open_webui.yaml", "pipelines.yaml", "shared.yaml"}
    # Traefik refuses a whole file for one empty part.
    for content in dynamic(ALL, stack).values():
        assert all(content["http"].values())


def test_the_entry_points_of_neighbours_are_plain() -> None:
    """Services find each other at fixed ports, without a host name, a limit or TLS; only Traefik's own API besides."""
    points = static(HTTPS)["entryPoints"]
    assert points.keys() == {"web", "websecure", "traefik", *INTERNAL}
    assert {name: points[name]["address"] for name in INTERNAL} == {name: f":{port}" for name, port in INTERNAL.items()}
    routers = routers_of(HTTPS, *ALL)
    assert {name for name, one in routers.items() if one["entryPoints"][0] not in ("web", "websecure")} == {
        "api",
        "gateway-internal",
        "pipelines-internal",
    }
    assert routers["pipelines-internal"] == {
        "entryPoints": ["pipelines"],
        "middlewares": ["retry"],
        "rule": "PathPrefix(`/`)",
        "service": "pipelines",
    }


def test_plain_http_goes_to_https_at_the_published_port() -> None:
    """A house with TLS answers over HTTP only with the way to HTTPS; one without it has no other way."""
    moved = static(replace(HTTPS, https_port=8443))["entryPoints"]["web"]["http"]["redirections"]["entryPoint"]
    assert moved == {"permanent": True, "scheme": "https", "to": ":8443"}
    assert static(PLAIN)["entryPoints"].keys() == {"web", "traefik", *INTERNAL}
    assert "redirections" not in static(PLAIN)["entryPoints"]["web"]["http"]
    assert "tls" not in dynamic(ALL, PLAIN)["shared.yaml"]


@pytest.mark.parametrize(
    ("stack", "acme", "tls"),
    [
        (HTTPS, {"httpChallenge": {"entryPoint": "web"}}, {"certResolver": "letsencrypt"}),
        (DNS, {"dnsChallenge": {"provider": "hetzner"}}, {"certResolver": "letsencrypt"}),
        (OWN, None, {}),
    ],
)
def test_where_certificates_come_from(stack: Stack, acme: dict[str, Any] | None, tls: dict[str, str]) -> None:
    """Let's Encrypt by one of its challenges, into the volume; or the operator's own for every name."""
    made = static(stack)
    assert made["entryPoints"]["websecure"]["http"]["tls"] == tls
    if acme is None:
        assert "certificatesResolvers" not in made
        own = {"certFile": "/run/secrets/tls_certificate", "keyFile": "/run/secrets/tls_key"}
        shared = dynamic(ALL, stack)["shared.yaml"]["tls"]
        assert (shared["certificates"], shared["stores"]) == ([own], {"default": {"defaultCertificate": own}})
    else:
        wanted = {"email": "me@example", "storage": "/acme/acme.json", **acme}
        assert made["certificatesResolvers"]["letsencrypt"]["acme"] == wanted


def test_only_cloudflare_says_whom_it_was_called_by() -> None:
    """Without Cloudflare before the house nobody's X-Forwarded-For is believed; with it, only its own."""
    for name in ("web", "websecure"):
        assert "forwardedHeaders" not in static(HTTPS)["entryPoints"][name]
        point = static(replace(HTTPS, cloudflare=True))["entryPoints"][name]
        assert point["forwardedHeaders"] == {"trustedIPs": list(CLOUDFLARE)}
    routers = routers_of(replace(HTTPS, cloudflare=True), OPEN_WEBUI)
    twin = routers["open_webui-cloudflare"]
    assert all(f"ClientIP(`{network}`)" in twin["rule"] for network in CLOUDFLARE)
    assert twin["priority"] > routers["open_webui"]["priority"]
    assert twin["middlewares"][0] == "limit-cloudflare"
    assert routers["open_webui-closed"]["priority"] > max(
        one["priority"] for name, one in routers.items() if name.startswith("open_webui") and "closed" not in name
    )


@pytest.mark.parametrize(("access", "chain"), [("public", []), ("allowlist", ["allow"]), ("basic_auth", ["login"])])
def test_access(access: str, chain: list[str]) -> None:
    """Who gets in is decided after the limit and before anything else."""
    stack = replace(HTTPS, allow=("10.8.0.0/24",))
    made = routers_of(stack, replace(LANGFUSE, access=access))["langfuse"]["middlewares"]
    assert made == ["limit", *chain, "headers", "compress", "retry"]


@pytest.mark.parametrize(
    ("stack", "route", "says"),
    [
        (HTTPS, replace(GATEWAY, access="allowlist"), "names no network"),
        (HTTPS, replace(GATEWAY, access="basic_auth"), "cannot have basic_auth"),
        (HTTPS, replace(OPEN_WEBUI, access="basic_auth"), "cannot have basic_auth"),
        (HTTPS, replace(GATEWAY, access="friends"), "is no access"),
        (HTTPS, replace(GATEWAY, host="traefik.example"), "Two services have the host name “traefik.example”"),
        (replace(HTTPS, access={"dashboard": "public"}), GATEWAY, "dashboard cannot be public"),
    ],
)
def test_what_cannot_be_is_refused(stack: Stack, route: Routed, says: str) -> None:
    """A wish that would lock everybody out, or let everybody in, is one sentence."""
    with pytest.raises(HouseError, match=says):
        dynamic([route], stack)


def test_no_login_is_in_a_rendered_file() -> None:
    """Hashes stand in a secret; nobody is told of new versions or of what the house uses."""
    text = json.dumps([static(HTTPS), dynamic(ALL, HTTPS)])
    assert '"usersFile": "/run/secrets/traefik_users"' in text
    assert '"users"' not in text
    assert static(HTTPS)["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}
    assert static(HTTPS)["api"] == {"dashboard": True, "insecure": False}


def test_a_check_takes_no_last_server_away() -> None:
    """Servers are checked where there are several; one alone is tried in any case."""
    pair = replace(GATEWAY, servers=("maitre-gateway-1", "maitre-gateway-2"))
    balancer = dynamic([pair], HTTPS)["gateway.yaml"]["http"]["services"]["gateway"]["loadBalancer"]
    assert [one["url"] for one in balancer["servers"]] == [
        "http://maitre-gateway-1:8000",
        "http://maitre-gateway-2:8000",
    ]
    assert balancer["healthCheck"] == {"interval": "5s", "path": "/healthz", "timeout": "3s"}
    alone = dynamic([GATEWAY], HTTPS)["gateway.yaml"]["http"]["services"]["gateway"]["loadBalancer"]
    assert "healthCheck" not in alone


def test_a_house_without_a_dashboard() -> None:
    """Without a name of its own the dashboard is nowhere."""
    hosts = {name: host for name, host in HOSTS.items() if name != "dashboard"}
    assert "dashboard" not in routers_of(replace(HTTPS, hosts=hosts), GATEWAY)
