"""What each image promises to Compose, held by ours and by the stand-ins: `contract.yaml` as a running project."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devstack import scaffold
from maitre.errors import HouseError
from maitre.settings import GENERATED_SECRETS
from tests.docker.engine import Engine
from tests.docker.programs import program

FILE = Path(__file__).parent / "contract.yaml"
SERVICES = yaml.safe_load(FILE.read_text("utf-8"))["services"]
#: What an empty cluster is told, by a script and by statements.
ROLE = """psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" <<<"create role maitre login createdb password 'let-me-in'"
"""
DATABASE = r"""\connect template1
create extension vector;
create database maitre owner maitre;
"""


class Project:
    """The running project. `folder`: where its file lies."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def compose(self, *words: str) -> str:
        """What `docker-compose WORDS` prints. Raises HouseError when it fails."""
        done = self.engine.run(program("docker-compose"), "--project-directory", str(self.folder), *words)
        if done.returncode:
            raise HouseError(done.stderr.decode("utf-8", "replace")[-600:])
        return done.stdout.decode().strip()

    def psql(self, statement: str, user: str = "maitre", database: str = "maitre") -> str:
        """What Postgres answers to somebody in its own container."""
        return self.compose("exec", "-T", "postgres", "psql", "-Atq", "-U", user, "-d", database, "-c", statement)

    def python(self, service: str, code: str) -> str:
        """What the code prints in the service's container."""
        return self.compose("exec", "-T", service, "python", "-c", code)


@pytest.fixture(scope="module")
def project(engine: Engine, ours: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Every service of the file, healthy."""
    folder = tmp_path_factory.mktemp("contract")
    shutil.copy(FILE, folder / "compose.yaml")
    _house(folder)
    made = Project(engine, folder)
    try:
        try:
            made.compose("up", "--detach", "--wait", "--wait-timeout", "400")
        except HouseError as late:
            raise HouseError(f"{late}\n{made.compose('logs', '--tail', '3')}") from late
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "5")


def _house(folder: Path) -> None:
    folder.chmod(0o755)
    scaffold.copy_example(folder / "house")
    variables = {f"MAITRE_SECRET_{name.upper()}": "0123456789abcdef" * 2 for name in GENERATED_SECRETS}
    variables |= {
        "MAITRE_POSTGRES_URL": "postgresql://maitre:let-me-in@postgres:5432/maitre",
        "MAITRE_VALKEY_URL": "redis://:open@valkey:6379/0",
        "MAITRE_UPSTREAM_URL": "http://ollama:11434",
        "MAITRE_EMBEDDER_URL": "http://ollama:11434",
        "MAITRE_RAG_URL": "http://rag:8100",
        "MAITRE_GATEWAY_URL": "http://gateway:8000",
        "MAITRE_TRACES_URL": "http://nobody:4318",
    }
    (folder / "ours.env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    (folder / "password").write_text("of the superuser\n")
    (folder / "init").mkdir()
    (folder / "init" / "1-role.sh").write_text(ROLE)
    (folder / "init" / "2-database.sql").write_text(DATABASE)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_it_runs_unprivileged_on_a_read_only_file_system(project: Project, name: str) -> None:
    """Healthy as the number that it was told to be, and unable to write where it has no volume."""
    container = project.compose("ps", "--quiet", name)
    state = json.loads(project.engine.docker("inspect", container))[0]
    assert state["State"]["Health"]["Status"] == "healthy"
    assert state["HostConfig"]["ReadonlyRootfs"]
    ids = project.python(name, "import os; print(os.getuid(), os.getgid())")
    assert ids.replace(" ", ":") == SERVICES[name]["user"]
    with pytest.raises(HouseError, match="Read-only file system"):
        project.python(name, "open('/usr/here', 'w')")


def test_postgres_is_made_once(project: Project) -> None:
    """The scripts have made a role, a database and the extension; after a fast stop and a start all is still there."""
    project.psql("create table if not exists kept as select 'x'::text as x, '[1,2]'::vector as v")
    project.compose("restart", "postgres")
    project.compose("up", "--detach", "--wait", "postgres")
    assert project.psql("select x, v <-> '[1,2]' from kept") == "x|0"
    assert project.psql("select rolcreatedb and not rolsuper from pg_roles where rolname = 'maitre'") == "t"
    assert project.psql("select datlocprovider, datlocale from pg_database where datname = 'maitre'") == "b|C.UTF-8"
    assert project.compose("logs", "postgres").count("CREATE ROLE") <= 1


def test_postgres_asks_for_the_password(project: Project) -> None:
    """Another container gets in with it and not without."""
    code = (
        "import asyncio, asyncpg; asyncio.run(asyncpg.connect('postgresql://maitre:{}@postgres/maitre')); print('in')"
    )
    assert project.python("gateway", code.format("let-me-in")) == "in"
    with pytest.raises(HouseError, match="password authentication failed"):
        project.python("gateway", code.format("wrong"))


def test_valkey_asks_for_the_password(project: Project) -> None:
    """Without it nobody is served."""
    with pytest.raises(HouseError):
        project.compose("exec", "-T", "valkey", "valkey-cli", "get", "x")
    assert project.compose("exec", "-T", "valkey", "valkey-cli", "-a", "open", "set", "x", "1") == "OK"
    assert project.compose("exec", "-T", "valkey", "valkey-cli", "-a", "open", "get", "x") == "1"


def test_traefik_is_published_on_loopback(project: Project) -> None:
    """It has port 80 in its container without being root, and answers on the port that Docker chose."""
    port = project.compose("port", "traefik", "80")
    assert port.startswith("127.0.0.1:")
    with urllib.request.urlopen(f"http://{port}/ping", timeout=10) as answer:
        assert answer.read() == b"OK"


def test_the_hosts_plugins_are_loaded(project: Project) -> None:
    """It serves a copy of the image's plugins, and offers their models to whoever has the key."""
    code = """
import json, urllib.request as r
asked = r.Request('http://127.0.0.1:9099/v1/models', headers={'Authorization': 'Bearer ' + '0123456789abcdef' * 2})
print(sorted(one['id'].split('.')[0] for one in json.load(r.urlopen(asked))['data']))
"""
    assert "assistants" in project.python("pipelines", code)
    listed = "import os; print(sorted(one for one in os.listdir('/tmp/pipelines') if one.endswith('.py')))"
    served = project.python("pipelines", listed)
    assert served == "['assistants.py', 'models.py', 'quota_filter.py', 'tracing_filter.py']"


def test_the_models_answer_once_they_are_pulled(project: Project) -> None:
    """A name that was not pulled is unknown; afterwards the model chats in pieces, and embeds."""
    code = """
import json, urllib.error, urllib.request as r
def ask(path, **body):
    return r.urlopen(r.Request('http://ollama:11434' + path, json.dumps(body).encode()), timeout=60)
chat = dict(model='smol', stream=True, max_tokens=4, messages=[dict(role='user', content='Hi')])
try:
    ask('/v1/chat/completions', **chat)
except urllib.error.HTTPError as refused:
    print(refused.code)
print(json.loads(ask('/api/pull', model='smol').read().splitlines()[-1])['status'])
print(sum(line.startswith(b'data: {') for line in ask('/v1/chat/completions', **chat)) > 2)
print(len(json.load(ask('/v1/embeddings', model='smol', input='Hi'))['data'][0]['embedding']))
"""
    assert project.python("gateway", code).split() == ["404", "success", "True", "384"]


@pytest.mark.parametrize(
    "name", ["postgres", "valkey", "traefik", "gateway", "pipelines", "rag", "ollama", "open_webui"]
)
def test_it_ends_when_it_is_asked_to(project: Project, name: str) -> None:
    """Stopped, it ends by itself well before Docker would kill it."""
    container = project.compose("ps", "--quiet", name)
    project.compose("stop", name)
    code = project.engine.docker("inspect", "--format", "{{.State.ExitCode}}", container)
    assert code != "137"
