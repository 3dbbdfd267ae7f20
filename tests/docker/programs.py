"""The programs that an engine of the tests' own needs, and why there may be none here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: Compose lies beside this Python; Debian keeps some of the others where an unprivileged shell does not look.
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))

#: Each program, and the Debian package that has it.
NEEDED = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "docker-init": "tini",
    "iptables": "iptables",
    "debootstrap": "debootstrap",
    "setpriv": "util-linux",
}


def program(name: str) -> str:
    """Where the program lies."""
    return shutil.which(name, path=PATH) or name


def missing() -> str | None:
    """Why no engine can be started here, in one sentence; None when it may be tried."""
    if sys.platform != "linux":
        return "An engine of the tests' own needs Linux."
    if os.geteuid() != 0:
        return "An engine of the tests' own needs root."
    if absent := {package for name, package in NEEDED.items() if not shutil.which(name, path=PATH)}:
        return f"An engine of the tests' own needs {', '.join(sorted(absent))} (Debian packages)."
    if _others_filter():
        return "Another Docker engine filters what passes between this machine's bridges, also between ours."
    return None


def _others_filter() -> bool:
    """Whether another engine's rules would drop what our containers say to each other; ours makes no rules."""
    switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not switch.exists() or switch.read_text().strip() != "1":
        return False
    rules = subprocess.run([program("iptables"), "-S", "FORWARD"], capture_output=True, text=True, check=False)
    return "-P FORWARD DROP" in rules.stdout
