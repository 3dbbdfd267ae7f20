"""`start.sh`: gives a program that reads no files its secrets, and becomes the program.

It is rendered; the secrets stay in the files that Docker mounts, so that neither the rendered stack nor
`docker inspect` holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from provisioning.open_webui_env import SECRET

_HEAD = """\
#!/bin/sh
# Made by `cli render`: reads the secrets of {title}, then runs its program.
set -eu
folder=${{MAITRE_SECRETS_DIR:-/run/secrets}}

read_secret() {{
    if ! value=$(cat "$folder/$1" 2>/dev/null) || [ -z "$value" ]; then
        printf '%s\\n' "{name}: the secret $1 is missing, empty or not readable; \\`cli deploy\\` puts it there." >&2
        exit 1
    fi
}}
"""


class Started(Protocol):
    """What of a service its start needs."""

    @property
    def name(self) -> str:
        """The service."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def secret_env(self) -> Mapping[str, str]:
        """Its variables that are made of secrets, as templates."""


def start_script(service: Started) -> str:
    """POSIX shell: exports each of the service's `secret_env`, then executes the words that it is given. A value may
    hold any character; newlines at its end are left out."""
    names = sorted({found for template in service.secret_env.values() for found in SECRET.findall(template)})
    read = [f"read_secret {name}; {_variable(name)}=$value" for name in names]
    export = [f"export {name}={_word(template)}" for name, template in sorted(service.secret_env.items())]
    lines = [*read, *export, f"unset folder value {' '.join(map(_variable, names))}".rstrip(), 'exec "$@"', ""]
    return _HEAD.format(name=service.name, title=service.title) + "\n" + "\n".join(lines)


def _variable(name: str) -> str:
    return f"secret_{name}"


def _word(template: str) -> str:
    """The template as one word of the shell, in which only our variables mean anything."""
    pieces = SECRET.split(template)  # text, name, text, name, … text
    return "".join(
        f'"${_variable(piece)}"' if number % 2 else _quoted(piece) for number, piece in enumerate(pieces) if piece
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
