"""The section `stack` of maitre.yaml: what it changes, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from maitre.errors import ConfigError
from tests.compose.house import copy_house, render_house

EMBEDS = {"embedding": True}
RULES = {"kind": "openai", "base_url": "http://ollama:11434/v1", "max_concurrent": 6}

#: The changed sections, and the one sentence.
REFUSED = (
    ({"stack": {"sice": "small"}}, "maitre.yaml: stack.sice: Extra inputs are not permitted"),
    ({"stack": {"size": "huge"}}, "maitre.yaml: stack.size: Input should be 'small' or 'gpu'"),
    (
        {"stack": {"services": {"postgre": {}}}},
        "maitre.yaml: stack.services.postgre: there is no such service (there is: ",
    ),
    (
        {"stack": {"services": {"postgres": {"settings": {"shared_bufers": "1GB"}}}}},
        "maitre.yaml: stack.services.postgres.settings.shared_bufers: there is no such setting (there is: effective",
    ),
    (
        {"stack": {"services": {"valkey": {"tag": "latest"}}}},
        "maitre.yaml: stack.services.valkey.tag: “latest” is no rel",
    ),
    (
        {"stack": {"services": {"valkey": {"memory": "lots"}}}},
        "maitre.yaml: stack.services.valkey.memory: String should",
    ),
    (
        {"stack": {"services": {"valkey": {"replicas": 2}}}},
        "maitre.yaml: stack.services.valkey.replicas: only these may",
    ),
    (
        {"stack": {"services": {"gateway": {"image": "x"}}}},
        "maitre.yaml: stack.services.gateway: its image is built from",
    ),
    (
        {"stack": {"services": {"gateway": {"bodies": {9: 1}}}}},
        "maitre.yaml: stack.services.gateway.bodies: the bodies of its requests are not counted",
    ),
    (
        {"stack": {"profiles": ["kubernetes"]}},
        "maitre.yaml: stack.profiles.0: Input should be 'langfuse', 'litellm' or",
    ),
    ({"stack": {"drain_timeout": 0}}, "maitre.yaml: stack.drain_timeout: Input should be greater than or equal to 1"),
    ({"stack": {"http_port": 70000}}, "maitre.yaml: stack.http_port: Input should be less than or equal to 65535"),
    ({"stack": {"bind": "eth0"}}, "maitre.yaml: stack.bind: “eth0” is no address of this machine, such as 127.0.0.1"),
    ({"stack": {"access": {"gateway": "allowlist"}}}, "maitre.yaml: stack: an access is allowlist, but allow names no"),
    ({"stack": {"allow": ["10.0.0.0/40"]}}, "maitre.yaml: stack.allow: “10.0.0.0/40” is no network; write 10.0.0.0/8"),
    (
        {"stack": {"tls": {"kind": "letsencrypt-dns"}}},
        "maitre.yaml: stack.tls: letsencrypt-dns needs dns_provider, and",
    ),
    ({"stack": {"hosts": {"gateway": "no host"}}}, "maitre.yaml: stack.hosts.gateway: String should match pattern"),
    (
        {"domain": "localhost"},
        "maitre.yaml: domain: Let's Encrypt signs no certificate for “localhost”; write a domain of",
    ),
    (
        {"domain": "10.0.0.1"},
        "maitre.yaml: domain: Let's Encrypt signs no certificate for “10.0.0.1”; write a domain of",
    ),
    (
        {
            "providers": {
                "local": {"kind": "llama_cpp", "base_url": "embedded", "models": {"small": {}, "nomic": EMBEDS}}
            }
        },
        "maitre.yaml: providers.local.base_url: “embedded” is the server of `cli up`; in the stack write http://ollama:1",
    ),
    (
        {"stack": {"services": {"ollama": {"settings": {"num_parallel": 8}}}}},
        "maitre.yaml: stack.services.ollama.settings.num_parallel: follows from `max_concurrent` of the provider ",
    ),
)


@pytest.mark.parametrize(("changed", "sentence"), REFUSED, ids=[one[1][13:60] for one in REFUSED])
def test_refused(changed: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    """A wish that cannot be is one line with its place."""
    with pytest.raises(ConfigError) as refused:
        render_house(copy_house("small", tmp_path / "house", **changed))
    (problem,) = refused.value.problems
    assert problem.startswith(sentence)


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    """An operator mends a file once."""
    changed = {"domain": "localhost", "stack": {"services": {"a": {}, "b": {}}}}
    with pytest.raises(ConfigError) as refused:
        render_house(copy_house("small", tmp_path / "house", **changed))
    assert [problem.split(":")[1] for problem in refused.value.problems] == [
        " stack.services.a",
        " stack.services.b",
        " domain",
    ]


@pytest.mark.parametrize("kind", ["files", "none"])
def test_a_private_host_needs_no_domain(kind: str, tmp_path: Path) -> None:
    """Own certificates, or none, work with any name."""
    one = render_house(copy_house("small", tmp_path / "house", domain="localhost", stack={"tls": {"kind": kind}}))
    assert one.stack.hosts["open_webui"] == "chat.localhost"
    assert ("tls_key" in one.services["traefik"].secrets) is (kind == "files")
    assert len(one.services["traefik"].ports) == (2 if kind == "files" else 1)


def test_a_wish_changes_its_service_only(tmp_path: Path) -> None:
    """Every value of a service can be another one, and nobody else's is."""
    wish = {
        "memory": "3g",
        "cpus": 3,
        "reserved_memory": "1g",
        "settings": {"shared_buffers": "1GB"},
        "env": {"TZ": "UTC"},
        "tag": "0.8.6-pg18-trixie",
    }
    plain = render_house(copy_house("small", tmp_path / "plain"))
    wished = render_house(copy_house("small", tmp_path / "wished", stack={"services": {"postgres": wish}}))
    section = wished.compose["services"]["postgres"]
    assert section["deploy"]["resources"] == {
        "limits": {"cpus": "3", "memory": "3g", "pids": 512},
        "reservations": {"memory": "1g"},
    }
    assert "shared_buffers=1GB" in section["command"]
    assert section["environment"]["TZ"] == "UTC"
    assert section["image"] == "pgvector/pgvector:0.8.6-pg18-trixie"
    differs = {path for path in plain.files if plain.files[path] != wished.files[path]}
    assert differs == {"compose.yaml"}
    others = [{**one.compose["services"], "postgres": None} for one in (plain, wished)]
    assert others[0] == others[1]


def test_less_memory_keeps_no_more_than_that(tmp_path: Path) -> None:
    """Docker refuses to keep more for a container than it may take."""
    stack = {"services": {"ollama": {"memory": "2g", "cpus": 1}}}
    limits = render_house(copy_house("small", tmp_path / "house", stack=stack)).services["ollama"].limits
    assert (limits.reserved_memory, limits.reserved_cpus) == ("2g", "1")


@pytest.mark.parametrize(("instances", "parallel"), [(1, 6), (2, 3), (4, 2)])
def test_one_number_in_one_place(instances: int, parallel: int, tmp_path: Path) -> None:
    """A provider's max_concurrent is what the Ollamas behind its name take together, and no less."""
    models = {"small": {"context": 8192}, "nomic": {"context": 2048, "embedding": True}}
    changed = {"providers": {"local": RULES | {"models": models}}, "stack": {"ollama": {"instances": instances}}}
    one = render_house(copy_house("small", tmp_path / "house", **changed))
    every = [section for name, section in one.compose["services"].items() if name in OLLAMAS]
    assert len(every) == instances
    for section in every:
        assert section["environment"]["OLLAMA_NUM_PARALLEL"] == str(parallel)
        assert section["environment"]["OLLAMA_CONTEXT_LENGTH"] == "8192"


OLLAMAS = ("ollama", "ollama_2", "ollama_3", "ollama_4")


def test_a_house_that_asks_others_has_no_ollama(tmp_path: Path) -> None:
    """Nobody pays for memory that nobody uses."""
    cloud = {"kind": "openai", "base_url": "https://api.example.com/v1", "models": {"small": {}, "nomic": EMBEDS}}
    one = render_house(copy_house("small", tmp_path / "house", providers={"cloud": cloud}))
    assert not {"ollama", "ollama_models"} & set(one.services)
    assert "models" not in one.compose["volumes"]


def test_only_whoever_reads_a_section_sees_its_change(tmp_path: Path) -> None:
    """A change of plans is none for the RAG service, one of `stack` is none for anybody's maitre.yaml."""
    plans = {"free": {"name": "Gratis", "price": 0, "models": ["small"]}}
    plain, plan, stack = (
        render_house(copy_house("small", tmp_path / name, **changed)).files
        for name, changed in (("a", {}), ("b", {"plans": plans}), ("c", {"stack": {"drain_timeout": 7}}))
    )
    read = {"house/engine/maitre.yaml", "house/seed/maitre.yaml"}
    assert {path for path in plain if plain[path] != plan[path]} == read
    assert not [path for path in plain if path.startswith("house/") and plain[path] != stack[path]]


def test_an_assistant_or_a_document_is_news_for_seed_only(tmp_path: Path) -> None:
    """Servers read the assistants from the database, and documents from nowhere: none restarts."""
    house = copy_house("small", tmp_path / "house")
    before = render_house(house)
    (house / "assistants" / "general.md").write_text("---\nname: G\nmodel: small\n---\nYou help.\n", "utf-8")
    (house / "handbook" / "second.md").write_text("# The second page\n", "utf-8")
    after = render_house(house)
    differs = {path for path in before.files if before.files[path] != after.files[path]}
    assert differs == {"compose.yaml", "house/seed/assistants/general.md"}
    old, new = before.compose["services"], after.compose["services"]
    assert {name for name in new if old[name] != new[name]} == {"seed"}


@pytest.mark.parametrize(
    ("stack", "url"),
    [
        ({}, "none"),
        ({"profiles": ["langfuse"]}, "http://langfuse:3000"),
        (
            {"services": {"gateway": {"env": {"MAITRE_TRACES_URL": "https://traces.example.com"}}}},
            "https://traces.example.com",
        ),
    ],
)
def test_traces_go_where_somebody_takes_them(tmp_path: Path, stack: dict[str, Any], url: str) -> None:
    """To the stack's Langfuse, to the one that the operator names, or nowhere."""
    rendered = render_house(copy_house("small", tmp_path / "house", stack=stack))
    written = yaml.safe_load(rendered.files["compose.yaml"])
    assert written["services"]["gateway"]["environment"]["MAITRE_TRACES_URL"] == url


def test_larger_uploads_may_be_wished(tmp_path: Path) -> None:
    """What is refused begins where the wished lengths end."""
    bodies = {"services": {"open_webui": {"bodies": {7: 32, 8: 4, 9: 1}}}}
    rendered = render_house(copy_house("small", tmp_path / "house", stack=bodies))
    http = yaml.safe_load(rendered.files["traefik/dynamic/open_webui.yaml"])["http"]
    assert http["middlewares"]["open_webui-9-digits"]["inFlightReq"]["amount"] == 1
    assert "`^[0-9]{10,}$`" in http["routers"]["open_webui-too-long"]["rule"]
