"""`start.sh`, run by the real shells of this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from compose.render.start import start_script

SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]
SHOW = (sys.executable, "-c", "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))")


@dataclass(frozen=True, slots=True)
class Service:
    """What of a service its start needs."""

    secret_env: dict[str, str] = field(default_factory=dict)
    name: str = "open_webui"
    title: str = "Open WebUI"


def start(
    shell: str, folder: Path, service: Service, files: dict[str, bytes], *words: str
) -> subprocess.CompletedProcess[str]:
    """Run the service's start with these secret files."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for name, content in files.items():
        (secrets / name).write_bytes(content)
    script = folder / "start.sh"
    script.write_text(start_script(service), "utf-8")
    shells = [shell, "sh"] if shell == "busybox" else [shell]
    return subprocess.run(
        [*shells, str(script), *(words or SHOW)],
        env={"PATH": "/usr/bin:/bin", "MAITRE_SECRETS_DIR": str(secrets)},
        capture_output=True,
        text=True,
        check=False,
    )


NASTY = (
    "plain-Az09_",
    'it\'s "quoted"',
    "$HOME ${HOME} $(id) `id`",
    "back\\slash \\n \\\\ end\\",
    " spaces  inside ",
    "*?[a]~!#&|;<>(){}",
    "line one\nline two",
    "-n -e",
    "%s %d",
    "парольї €",
    "{secret.other}",
)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("value", NASTY)
def test_a_value_arrives_as_it_is(shell: str, value: str, tmp_path: Path) -> None:
    """Whatever a secret holds, the program reads it unchanged, and the shell executes nothing of it."""
    service = Service({"PASSWORD": "{secret.a}", "URL": "postgres://o'neil:{secret.a}@$host/{secret.b}`id`"})
    done = start(shell, tmp_path, service, {"a": f"{value}\n".encode(), "b": b"b"})
    assert done.returncode == 0, done.stderr
    told, _ = json.loads(done.stdout)
    assert told["PASSWORD"] == value
    assert told["URL"] == f"postgres://o'neil:{value}@$host/b`id`"
    assert not [name for name in told if name.startswith("secret_") or name in ("value", "folder")]


def test_the_programs_own_words_arrive(tmp_path: Path) -> None:
    """The program is the shell's successor, with every word of its command."""
    done = start("sh", tmp_path, Service(), {}, *SHOW, "two words", "", "$x")
    assert json.loads(done.stdout)[1] == ["two words", "", "$x"]


@pytest.mark.parametrize(("files", "missing"), [({}, "a"), ({"a": b"\n"}, "a"), ({"a": b"1"}, "b"), ({"b": b"1"}, "a")])
def test_a_missing_or_empty_secret_is_one_sentence(files: dict[str, bytes], missing: str, tmp_path: Path) -> None:
    """The program is not run, and the one sentence names the service and the secret, never a value."""
    done = start("sh", tmp_path, Service({"X": "{secret.a}{secret.b}"}), files)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"open_webui: the secret {missing} is missing, empty or not readable; `cli deploy` puts it there.\n"
    )


def test_the_same_service_renders_the_same_bytes() -> None:
    """The order in which the variables were written down does not matter."""
    one, other = {"A": "{secret.x}", "B": "{secret.y}"}, {"B": "{secret.y}", "A": "{secret.x}"}
    assert start_script(Service(one)) == start_script(Service(other))
