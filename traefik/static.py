"""Traefik's static file: its entry points, its log, where certificates come from. A change of it is a restart."""

from __future__ import annotations

from typing import Any

from compose.stack.settings import Stack
from traefik.places import CONTAINER, Places


def static(stack: Stack, places: Places = CONTAINER) -> dict[str, Any]:
    """The static file of a stack. `places` says where Traefik listens and where its files are."""
    made: dict[str, Any] = {
        "accessLog": ACCESS_LOG,
        "api": {"dashboard": True, "insecure": False},
        "entryPoints": _entry_points(stack, places),
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"format": "json", "level": "INFO"},
        "ping": {"entryPoint": "traefik"},
        "providers": {"file": {"directory": places.dynamic, "watch": True}},
    }
    if challenge := _challenge(stack):
        acme = {"email": stack.tls.email, "storage": places.acme, **challenge}
        made["certificatesResolvers"] = {"letsencrypt": {"acme": acme}}
    return made


#: Seconds that open connections get when Traefik itself stops. It takes nobody new meanwhile, at no entry point, and a
#: browser's web socket never ends by itself: while it waits, the whole house is closed.
GRACE = 10

#: One line of JSON a request. A query can hold a token and most headers are a guest's own: neither is written.
ACCESS_LOG: dict[str, Any] = {
    "fields": {
        "defaultMode": "keep",
        "headers": {"defaultMode": "drop", "names": {"User-Agent": "keep"}},
        "queryParameters": {"defaultMode": "drop"},
    },
    "format": "json",
}

#: Servers read these in a path as what they stand for, and would find a route where Traefik saw none: refused. Others
#: (`%`, `?`, `#`, `;`) are letters of a file's name.
_REFUSED = ("BackSlash", "NullCharacter", "Slash")
_ENCODED = {
    f"allowEncoded{name}": name not in _REFUSED
    for name in ("BackSlash", "Hash", "NullCharacter", "Percent", "QuestionMark", "Semicolon", "Slash")
}

#: A header whose name only looks like another's (`X_Forwarded_For`) goes no further.
_HTTP = {"aliasHeadersStrategy": "delete"}


def public_entry_point(stack: Stack) -> str:
    """The entry point of the public names: the one with TLS, if there is any."""
    return "web" if stack.tls.kind == "none" else "websecure"


def _entry_points(stack: Stack, places: Places) -> dict[str, Any]:
    points: dict[str, Any] = {
        "traefik": {"address": places.traefik, "http": _HTTP},
        "web": _public(stack, places.web, places),
        **{name: _internal(address) for name, address in places.internal.items()},
    }
    if stack.tls.kind != "none":
        # The port that is published, which is not the one that Traefik listens at inside its container.
        points["web"]["http"]["redirections"] = {
            "entryPoint": {"permanent": True, "scheme": "https", "to": f":{stack.https_port}"}
        }
        points["websecure"] = _public(stack, places.websecure, places)
        points["websecure"]["http"]["tls"] = {"certResolver": "letsencrypt"} if _challenge(stack) else {}
    return points


def _public(stack: Stack, address: str, places: Places) -> dict[str, Any]:
    point: dict[str, Any] = {
        "address": address,
        "http": {**_HTTP, "encodedCharacters": _ENCODED, "sanitizePath": True},
        "transport": _transport(),
    }
    if stack.cloudflare:
        point["forwardedHeaders"] = {"trustedIPs": list(places.cloudflare)}
    return point


def _internal(address: str) -> dict[str, Any]:
    return {"address": address, "http": _HTTP, "transport": _transport()}


def _transport() -> dict[str, Any]:
    """Nothing ends a long answer; an upload has ten minutes, an idle connection three."""
    return {
        "lifeCycle": {"graceTimeOut": f"{GRACE}s"},
        "respondingTimeouts": {"idleTimeout": "180s", "readTimeout": "600s", "writeTimeout": "0s"},
    }


def _challenge(stack: Stack) -> dict[str, Any]:
    match stack.tls.kind:
        case "letsencrypt-http":
            return {"httpChallenge": {"entryPoint": "web"}}
        case "letsencrypt-dns":
            return {"dnsChallenge": {"provider": stack.tls.dns_provider}}
        case _:
            return {}
