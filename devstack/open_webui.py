"""Open WebUI 0.12.4, unmodified, from a Python environment of its own without torch."""

from __future__ import annotations

from devstack.part import Part
from devstack.places import environment, folder, open_webui_python
from devstack.probe import http_json
from devstack.process import Command
from maitre.errors import HouseError
from maitre.settings import House
from provisioning import open_webui_env
from provisioning.logins import administrator_of, passwords_of
from provisioning.open_webui_env import SECRET
from provisioning.resources.connection import Connection
from provisioning.resources.settings import FileEmbeddings


def part(house: House, port: int, connection: Connection, files: FileEmbeddings | None) -> Part:
    """The house's Open WebUI. Its data lies in `.maitre/open-webui`. `files`: who makes the embeddings of its files."""
    home, python = house.state / "open-webui", open_webui_python()
    if not python.exists():
        raise HouseError(f"Open WebUI is not installed ({python} is missing). `make install` installs it.")
    words = (
        *(str(python), "-m", "uvicorn", "open_webui.main:app", "--host", "127.0.0.1", "--port", str(port)),
        *("--log-level", "warning", "--timeout-graceful-shutdown", "2"),
    )
    url = f"http://127.0.0.1:{port}"

    def prepare() -> None:
        for place in (home, home / "data", home / "static", home / "models"):
            folder(place)

    return Part(
        name="open_webui",
        title="Open WebUI 0.12.4",
        port=port,
        url=url,
        command=Command(words, house.state, environment(**settings(house, url, connection, files))),
        prepare=prepare,
        healthy=lambda: http_json(port, "/health") == {"status": True},
        patience=300,
    )


def settings(house: House, url: str, connection: Connection, files: FileEmbeddings | None) -> dict[str, str]:
    """Open WebUI's environment in this house, with its secrets: nobody but its own account can read a process's."""
    home = house.state / "open-webui"
    wanted = open_webui_env.wanted(house, url, connection.url, None if files is None else files.url)
    password = administrator_of(house, passwords_of(house))[1]
    return {
        "FROM_INIT_PY": "true",  # as its own `serve` sets: data, frontend and version as an installed package
        "DATA_DIR": str(home / "data"),
        "STATIC_DIR": str(home / "static"),  # else it writes into its installed package, which houses share
        "HF_HOME": str(home / "models"),
        **wanted.plain,
        **{
            name: SECRET.sub(lambda found: house.secret(found[1]), template) for name, template in wanted.secret.items()
        },
        "WEBUI_ADMIN_PASSWORD": password,  # a demo administrator's own
    }
