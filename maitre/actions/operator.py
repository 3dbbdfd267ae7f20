"""Who sits at the command line."""

from __future__ import annotations

import getpass
import os


def operator() -> tuple[str, str]:
    """The operator's name at this machine, and where they sit: the address of their SSH session, if it is one."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        name = f"uid {os.getuid()}"
    return f"operator {name}", os.environ.get("SSH_CLIENT", "").partition(" ")[0]
