"""What is rendered: golden files, and rules that hold for every stack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose.render.folder import write
from compose.stack.catalogue import read_services
from maitre.settings import load_house
from tests.compose.golden import GOLDEN, NAMES
from tests.compose.house import Rendered, copy_house, render_house

COMPOSE, LINT = (Path(sys.executable).parent / name for name in ("docker-compose", "compose-lint"))
#: Who may run as root, and why: it gives volumes to their owners, and ends.
ROOT_USERS = {"volumes"}


PROFILES = sorted({one.profile for one in read_services("small").values() if one.profile})


@pytest.fixture(scope="module", params=[*NAMES, "small:none", *(f"small:{profile}" for profile in PROFILES)])
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Every house, one without TLS, and one for each profile."""
    name, _, how = request.param.partition(":")
    stack = {"": {}, "none": {"stack": {"tls": {"kind": "none"}}}}.get(how, {"stack": {"profiles": [how]}})
    return render_house(copy_house(name, tmp_path_factory.mktemp("houses") / "house", **stack))


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str, tmp_path: Path) -> None:
    """Every rendered file is the one that somebody has read and agreed to (`make golden` renews them)."""
    files = render_house(copy_house(name, tmp_path / "house")).files
    there = {str(file.relative_to(GOLDEN / name)) for file in (GOLDEN / name).rglob("*") if file.is_file()}
    assert there == set(files)
    for path, text in files.items():
        assert text == (GOLDEN / name / path).read_text("utf-8"), path


def test_the_same_input_renders_the_same_bytes(tmp_path: Path) -> None:
    """Whoever renders, wherever the house lies, gets the same files."""
    first, second = (render_house(copy_house("gpu", tmp_path / name)).files for name in ("first", "second"))
    assert first == second
    assert list(first) == sorted(first)
    assert str(tmp_path) not in "".join(first.values())


def test_compose_takes_it(one: Rendered, tmp_path: Path) -> None:
    """Compose v5 finds nothing wrong, and would run exactly the services that were rendered."""
    write(one.files, tmp_path / "stack")
    words = [COMPOSE, "-f", tmp_path / "stack" / "compose.yaml", "config"]
    done = subprocess.run([*words, "-q"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    listed = subprocess.run([*words, "--services"], capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) == set(one.compose["services"]) == set(one.services)


def test_a_lint_for_security_finds_nothing_high(one: Rendered, tmp_path: Path) -> None:
    """Nothing that compose-lint takes for high or critical, but what only looks like it."""
    write(one.files, tmp_path / "stack")
    words = [LINT, "check", "--format", "json", tmp_path / "stack" / "compose.yaml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    found = [one["message"] for one in json.loads(done.stdout)["findings"] if one["severity"] in ("high", "critical")]
    assert not [message for message in found if not any(word in message for word in NO_SECRETS)]


#: What only looks like a secret to the lint, and what it is.
NO_SECRETS = {"LANGFUSE_S3_EVENT_UPLOAD_ACCESS_KEY_ID": "the name of MinIO's user"}


def services(one: Rendered) -> list[tuple[str, dict[str, Any]]]:
    """Every service's section."""
    return [*one.compose["services"].items()]


def test_only_traefik_publishes_ports(one: Rendered) -> None:
    """Nothing else can be reached from outside, and the databases' network leads nowhere."""
    assert [name for name, section in services(one) if "ports" in section] == ["traefik"]
    assert one.compose["networks"]["data"] == {"internal": True}
    assert all(section.get("network_mode") in (None, "none") for _, section in services(one))


def test_traefik_is_not_away_for_long(one: Rendered) -> None:
    """While it stops, the house is closed: it waits for open connections for seconds, and is not killed earlier."""
    points = yaml.safe_load(one.files["traefik/traefik.yaml"])["entryPoints"]
    graces = {point["transport"]["lifeCycle"]["graceTimeOut"] for name, point in points.items() if name != "traefik"}
    assert graces == {"10s"}
    assert one.compose["services"]["traefik"]["stop_grace_period"] == "15s"


def test_every_service_is_held_short(one: Rendered) -> None:
    """Pinned, limited, without rights that it does not need, with a log that ends."""
    for name, section in services(one):
        assert re.search(r":(?!latest)[\w.-]+(@sha256:[0-9a-f]{64})?$", section["image"]), name
        assert section["cap_drop"] == ["ALL"]
        assert section["security_opt"] == ["no-new-privileges:true"]
        assert section["read_only"] is True or name in WRITABLE, name
        assert section["init"] is True
        assert not {"privileged", "pid", "ipc", "devices", "userns_mode"} & set(section), name
        assert re.fullmatch(r"[0-9]+:[0-9]+", section["user"])
        assert not section["user"].startswith("0:") or name in ROOT_USERS, name
        assert set(section.get("cap_add", ())) <= ({"CHOWN", "DAC_OVERRIDE"} if name in ROOT_USERS else set())
        assert section["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
        assert all(re.search(r":(.*,)?size=[0-9]+m(,|$)", one) for one in section.get("tmpfs", ())), name
        assert section["logging"] == {"driver": "json-file", "options": {"max-file": "3", "max-size": "10m"}}
        assert section["labels"]["io.maitre.service"] == name
        assert ("healthcheck" in section) is (section["restart"] == "unless-stopped"), name
        assert "docker.sock" not in str(section)


#: Whose file system is not read-only, and why.
WRITABLE = {"litellm": "its database client writes beside its own code"}


def test_no_secret_is_in_what_is_rendered(one: Rendered) -> None:
    """Secrets are files that only their reader gets; no variable, argument or rendered file holds one."""
    everything = "".join(one.files.values())
    for secret in ("the-cloud-secret", "the-crm-secret", "the-cloudflare-secret"):
        assert secret not in everything
    told = one.compose["secrets"]
    for name, section in services(one):
        for variable, value in section.get("environment", {}).items():
            hidden = re.search(r"PASSWORD|SECRET|TOKEN|_KEY$", variable) and not variable.endswith("_FILE")
            assert not hidden or value in ("true", "false"), f"{name}: {variable}"
            assert "://" not in value or "@" not in value or re.search(r"//[a-z_]+@", value), f"{name}: {variable}"
        for secret in section.get("secrets", ()):
            assert told[secret["source"]] == {"file": f"./secrets/{name}/{secret['target']}"}
    assert len(told) == sum(len(section.get("secrets", ())) for _, section in services(one))


def test_every_mounted_file_is_rendered(one: Rendered) -> None:
    """What a container reads is there, and read-only; what it writes is in a named volume."""
    for name, section in services(one):
        for volume in section.get("volumes", ()):
            source, target, *mode = volume.split(":")
            if not source.startswith("./"):
                assert source in one.compose["volumes"]
                continue
            assert mode == ["ro"], f"{name}: {target}"
            path = source.removeprefix("./")
            if path.startswith("../../"):
                assert name == "seed"
                assert (one.house.directory / path.removeprefix("../../")).exists()
                continue
            there = any(file == path or file.startswith(f"{path}/") for file in one.files)
            assert there or path.startswith("secrets/"), f"{name}: {source}"


def test_the_copies_of_the_house_are_houses(one: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process can load what it sees of the house, with the secrets that it gets."""
    write(one.files, tmp_path / "stack")
    for service in one.services.values():
        if service.house is None:
            continue
        with monkeypatch.context() as container:
            for secret in service.secrets:
                container.setenv(f"MAITRE_SECRET_{secret.upper()}", "value")
            copy = load_house(tmp_path / "stack" / "house" / service.house)
        assert copy.providers.keys() == one.house.providers.keys()
        assert copy.domain == one.house.domain


def test_whoever_has_no_business_with_a_provider_has_no_key_of_it(tmp_path: Path) -> None:
    """The RAG service asks the gateway alone."""
    rag = {"embedding": "e", "query": {}, "passage": {}}
    folder = copy_house("gpu", tmp_path / "house")
    written = yaml.safe_load((folder / "maitre.yaml").read_text("utf-8"))
    written["providers"]["cloud"]["models"]["e"] = {"embedding": True}
    (folder / "maitre.yaml").write_text(yaml.safe_dump(written | {"rag": rag}), "utf-8")
    one = render_house(folder)
    assert one.services["rag"].secrets == one.services["rag_worker"].secrets == ("rag_db_password", "rag_key")
    assert {"cloud", "crm"} <= set(one.services["gateway"].secrets)
    assert "secret:" not in one.files["house/rag/maitre.yaml"]
