"""The house as a whole, on real Postgres, Valkey, llama.cpp and the trace receiver."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import asyncpg
import pytest

from devstack import house as whole
from devstack import parts, ports, state
from devstack.places import ROOT
from devstack.process import alive, last_lines, wait_until, zombie
from maitre.errors import HouseError
from maitre.settings import Endpoint, House

from .conftest import make_house

STORES: tuple[Endpoint, ...] = ("postgres", "valkey")
PARTS: tuple[Endpoint, ...] = (*STORES, "upstream", "traces")

STARTING = """
import sys
from pathlib import Path
from typing import get_args
from devstack import house
from maitre.settings import load_house
house.up(load_house(Path(sys.argv[1])), lambda *said: print(*said, flush=True), only=sys.argv[2:])
"""
SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>


def sessions() -> set[int]:
    """The sessions of all processes that run now."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                found.add(int(fields[3]))
    return found


def kill(house: House, name: Endpoint) -> None:
    """End a part as a crash would."""
    who = state.read(house.state)[name].who
    os.kill(who.pid, signal.SIGKILL)
    assert wait_until(lambda: not alive(who), 10)


async def sql(house: House, query: str) -> object:
    """The value of a query, asked as the house's role."""
    link = await asyncpg.connect(house.endpoint("postgres"))
    try:
        return await link.fetchval(query)
    finally:
        await link.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose parts (but the two servers of Open WebUI) run while this file's tests do."""
    house = make_house(tmp_path_factory.mktemp("running") / "house")
    whole.up(house, only=PARTS)
    yield house
    whole.down(house.state)


def test_up_starts_the_parts_and_a_second_up_nothing(running: House) -> None:
    """Twice is once, and no part is started anew."""
    before = state.read(running.state)
    assert set(before) == set(PARTS)
    assert whole.up(running, only=PARTS) == ()
    assert state.read(running.state) == before


def test_every_part_is_really_asked(running: House) -> None:
    """Healthy means that the part answered just now; what was not started says so."""
    told = {one.name: one for one in whole.status(running)}
    assert {name: told[name].healthy for name in PARTS} == dict.fromkeys(PARTS, True)
    assert told["open_webui"].fault == "is not running"
    os.kill(told["valkey"].pid or 0, signal.SIGSTOP)
    try:
        stopped = {one.name: one for one in whole.status(running)}["valkey"]
        assert (stopped.healthy, stopped.pid) == (False, told["valkey"].pid)
        assert "does not answer" in stopped.fault
    finally:
        os.kill(told["valkey"].pid or 0, signal.SIGCONT)


def test_others_find_the_addresses_in_a_private_file(running: House) -> None:
    """`House.endpoint` reads what `up` wrote; nobody else may."""
    file = running.state / "endpoints.json"
    assert set(json.loads(file.read_text())) == set(PARTS)
    assert running.endpoint("upstream").startswith("http://127.0.0.1:")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_the_houses_role_owns_its_database_and_no_more(running: House) -> None:
    """pgvector is there, databases can be created for tests, and the role is no superuser."""
    query = "SELECT rolsuper::text || rolcreatedb::text FROM pg_roles WHERE rolname = current_user"
    assert await sql(running, query) == "falsetrue"
    assert await sql(running, "SELECT '[1,2]'::vector::text") == "[1,2]"
    await sql(running, "CREATE TABLE kept (x int)")


def test_no_password_is_in_a_command_that_everybody_can_read(running: House) -> None:
    """Secrets travel in private files and environments, never in arguments."""
    secrets = {file.read_text().strip() for file in (running.state / "secrets").iterdir()}
    for one in state.read(running.state).values():
        words = Path(f"/proc/{one.who.pid}/cmdline").read_text()
        assert not [secret for secret in secrets if secret in words]


async def test_a_crash_is_said_plainly_and_mended_by_up(running: House) -> None:
    """The status names the part, its log and its last line; `up` starts that part alone, at the same address,
    and what was committed is still there."""
    before = state.read(running.state)
    kill(running, "postgres")
    crashed = {one.name: one for one in whole.status(running)}["postgres"]
    assert crashed.pid is None
    assert not crashed.healthy
    assert f"has crashed; see {running.state}/logs/postgres.log" in crashed.fault
    assert last_lines(running.state / "logs" / "postgres.log", 1)[0] in crashed.fault
    assert whole.up(running, only=PARTS) == ("postgres",)
    after = state.read(running.state)
    assert after["postgres"].url == before["postgres"].url
    assert after["valkey"] == before["valkey"]
    assert await sql(running, "SELECT count(*) FROM kept") == 0


def test_down_leaves_nothing_behind(house: House) -> None:
    """No process, no address; a second `down` finds nothing to do."""
    whole.up(house, only=STORES)
    started = state.read(house.state)
    assert set(whole.down(house.state)) == set(STORES)
    assert not sessions() & {one.who.pid for one in started.values()}
    assert not (house.state / "state.json").exists()
    assert not (house.state / "endpoints.json").exists()
    assert whole.down(house.state) == ()


def test_a_part_that_dies_while_starting_is_named_and_the_rest_is_stopped(house: House) -> None:
    """The error says which part and shows the end of its log; nothing is left running."""
    broken = house.state / "valkey" / "appendonlydir"
    broken.mkdir(parents=True)
    (broken / "appendonly.aof.manifest").write_text("no manifest\n")
    heard: list[tuple[str, str]] = []
    with pytest.raises(HouseError, match="Valkey 9 ended while it was starting") as error:
        whole.up(house, lambda *said: heard.append(said), only=STORES)
    assert str(house.state / "logs" / "valkey.log") in str(error.value)
    assert "manifest" in str(error.value)
    assert ("valkey", "starting") in heard
    assert state.read(house.state) == {}
    assert not [one for one in whole.status(house) if one.pid]


@pytest.mark.parametrize("moment", ["postgres starting", "valkey ready"])
def test_ctrl_c_in_the_middle_of_up_leaves_nothing_behind(house: House, moment: str) -> None:
    """Wherever the interrupt falls, what was started is stopped before the command ends."""
    starting = subprocess.Popen(
        [sys.executable, "-c", STARTING, str(house.directory), "postgres", "valkey", "upstream"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert starting.stdout is not None
    said: list[str] = []
    for line in starting.stdout:
        said.append(line.strip())
        if said[-1] == moment:
            starting.send_signal(signal.SIGINT)
            break
    rest, errors = starting.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert "upstream ready" not in rest
    assert not (house.state / "state.json").exists()
    mine = str(house.state).encode()
    assert not [pid for pid in sessions() if mine in _command_line(pid)]


def test_an_interrupted_first_start_is_made_good_by_the_next(house: House) -> None:
    """Half a data folder of Postgres is never taken for a whole one."""
    half = house.state / "postgres" / "new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert whole.up(house, only=["postgres"]) == ("postgres",)


def test_a_crashed_postgres_that_nobody_reaps_can_be_started_again(house: House) -> None:
    """In a container whose first process reaps nobody, a zombie keeps the pid in Postgres's lock file."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)  # orphans become our children, and we do not reap them
    try:
        words = [sys.executable, "-c", STARTING, str(house.directory), "postgres"]
        subprocess.run(words, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    finally:
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 0)
    former = state.read(house.state)["postgres"].who.pid
    kill(house, "postgres")
    assert zombie(former)
    assert whole.up(house, only=["postgres"]) == ("postgres",)
    os.waitpid(former, 0)


def test_without_an_embedded_provider_no_llama_cpp_is_wanted(house: House) -> None:
    """A house that talks to a provider elsewhere starts no model of its own."""
    file = house.directory / "maitre.yaml"
    file.write_text(file.read_text().replace("base_url: embedded", "base_url: http://gpu:8000/v1"))
    elsewhere = make_house(house.directory)
    assert "upstream" not in [one.name for one in whole.status(elsewhere)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_house_has_the_server_that_open_webui_is_connected_to(house: House) -> None:
    """The gateway always, the Pipelines server only with Pipelines; a changed setting can be looked at before `up`."""
    assert {"pipelines", "gateway"} <= set(parts.names(house))
    other = replace(house, webui=replace(house.webui, connection="gateway"))
    assert set(parts.names(house)) - set(parts.names(other)) == {"pipelines"}
    whole.up(other, only=["valkey"])
    for connected in (other, house):
        well = {one.name for one in whole.status(connected) if one.healthy}
        assert well == {"valkey"}
    assert {"pipelines", "gateway"} <= ports.read(house.state / "ports.json").keys()


KNOWING = {"rag", "rag_worker"}


def test_a_house_without_knowledge_starts_none_of_its_parts(house: House) -> None:
    """`rag:` is one section; a house without it is the house it was, and its engine hears of no RAG service."""
    assert {"embedder", *KNOWING} <= set(parts.names(house))
    without = replace(house, rag=None, knowledge={})
    assert set(parts.names(house)) - set(parts.names(without)) == KNOWING
    numbers = {name: 20_000 + place for place, name in enumerate(parts.addressed(house))}
    engines: tuple[Endpoint, ...] = ("pipelines", "gateway")
    for one, told in ((house, True), (without, False)):
        for engine in parts.of(one, numbers, engines).values():
            assert ("MAITRE_RAG_URL" in engine.command.env) is told


def test_each_embedded_provider_is_one_server(house: House) -> None:
    """Who makes embeddings only is the embedder; who chats is llama.cpp; neither is started for the other."""
    chats = {name: one for name, one in house.providers.items() if name not in house.embedders}
    embeds = {name: one for name, one in house.providers.items() if name in house.embedders}
    servers = {"upstream", "embedder"}
    assert servers & set(parts.names(replace(house, providers=chats))) == {"upstream"}
    assert servers & set(parts.names(replace(house, providers=embeds))) == {"embedder"}


def test_the_worker_leaves_off_before_the_gateway_goes_and_postgres_goes_last() -> None:
    """It embeds through the gateway, and writes into Postgres to the end."""
    order = [set(phase) for phase in whole.STOPPING]
    at = {name: place for place, phase in enumerate(order) for name in phase}
    assert at["rag_worker"] < at["gateway"] < at["rag"] < at["postgres"]
    assert set(at) == set(get_args(Endpoint))


def test_the_embedder_and_a_worker_start_and_say_how_they_are(house: House) -> None:
    """The worker needs no service and no gateway to start, and knows when Postgres is gone."""
    try:
        whole.up(house, only=["postgres", "embedder", "rag_worker"])
        well = {one.name for one in whole.status(house) if one.healthy}
        assert well == {"postgres", "embedder", "rag_worker"}
        kill(house, "postgres")
        assert wait_until(lambda: "rag_worker" not in {o.name for o in whole.status(house) if o.healthy}, 40)
        whole.up(house, only=["postgres"])
        assert wait_until(lambda: "rag_worker" in {o.name for o in whole.status(house) if o.healthy}, 60)
    finally:
        whole.down(house.state)
