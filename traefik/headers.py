"""What every public answer carries in its header for the guest's browser."""

from __future__ import annotations

from typing import Any

YEAR = 31_536_000  # seconds


def headers(tls: bool) -> dict[str, Any]:
    """The middleware's settings. `tls`: whether guests come by HTTPS, which their browsers then keep to.

    No Content-Security-Policy: Open WebUI shows artifacts in frames of its own, runs Python by WebAssembly, and lets
    the operator load pictures from anywhere; a policy that allows all that forbids nothing."""
    found: dict[str, Any] = {
        "contentTypeNosniff": True,
        # Open WebUI frames itself (artifacts); nobody else may.
        "customFrameOptionsValue": "SAMEORIGIN",
        # What a server is called and in which version is nobody's business; empty takes it away.
        "customResponseHeaders": {"Server": "", "X-Powered-By": ""},
        # Voice, calls and the place in a prompt are features of Open WebUI: its own page may ask, a framed one may not.
        "permissionsPolicy": "camera=(self), geolocation=(self), microphone=(self), payment=(), usb=()",
        "referrerPolicy": "strict-origin-when-cross-origin",
    }
    return found | ({"stsSeconds": YEAR} if tls else {})
