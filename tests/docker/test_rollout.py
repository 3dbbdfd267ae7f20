"""A new release of our servers under load, on a real engine: nobody notices it, whether it is well or not."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.process import wait_until
from tests.docker.busy import Busy, untrue, upstream
from tests.docker.load import Load
from tests.docker.releases import appended, make_release

Say = Callable[[str], None]
SERVERS = ("gateway", "pipelines")
#: The end of a Pipelines host that serves, and says that it is not ready.
UNREADY = """
async def readiness(engine: object) -> dict[str, str]:
    raise Problem(503, "This release is never ready.")
"""


@contextmanager
def guests(busy: Busy, say: Say) -> Iterator[Load]:
    """Load through the block; then no guest has seen anything, and the ledger says every call."""
    before = {row["request_id"] for row in busy.rows()}
    with upstream(busy.deployed):
        with Load(busy) as load:
            load.until_served()
            yield load
        say(f"{dict(load.heard)}")
        rows = [row for row in busy.rows() if row["request_id"] not in before]
        assert load.failures == []
        assert untrue(rows, busy.calls(), broken=False) == []
        assert len(rows) == load.heard.total()


def test_nobody_notices_a_new_release(busy: Busy, tmp_path: Path, say: Say) -> None:
    """Every short call is answered, every stream comes to its end, every call has its row; and the old containers are
    gone."""
    root = make_release(busy.deployed.engine, tmp_path, appended("gateway/public_api.py", "# The next release."))
    old = {service: busy.of(service) for service in SERVERS}
    with guests(busy, say):
        assert busy.deployed.cli("deploy", "--yes", root=root, told=say).returncode == 0
    for service in SERVERS:
        (new,) = busy.of(service)
        assert new.well
        assert new.image != old[service][0].image
        assert not {one.id for one in old[service]} & busy.ids()


def test_a_deploy_that_is_broken_off_is_finished_by_the_next(busy: Busy, say: Say) -> None:
    """Back to these sources: Ctrl-C while the gateway's new container waits is one sentence, and the house serves; a
    second deploy meanwhile is told who is at it; the next one finishes."""
    with guests(busy, say):
        (old,) = busy.of("gateway")
        with busy.deployed.begun("deploy", "--yes") as running:
            assert wait_until(lambda: len(busy.of("gateway")) == 2, 120, every=0.2)
            second = busy.deployed.cli("deploy", "--yes")
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate()
        say(said)
        say(second.stdout)
        assert second.returncode == 1
        assert f"(pid {running.pid}) has been at it since" in second.stdout
        assert len(second.stdout.strip().splitlines()) == 1
        assert running.returncode == 130, said
        assert "Stopped" in said
        assert "Traceback" not in said + second.stdout
        assert [one.id for one in busy.of("gateway")] == [old.id]
        finished = busy.deployed.cli("deploy", "--yes", told=say)
        assert finished.returncode == 0
    assert [one.image for one in busy.of("gateway")] == [one.image for one in busy.of("pipelines")] != [old.image]
    assert "Nothing to do" in busy.deployed.deploy()


def test_a_deploy_that_is_killed_is_finished_by_the_next(busy: Busy, tmp_path: Path, say: Say) -> None:
    """SIGKILL while the gateway's new container waits: status says so, guests notice nothing, and after a deploy of
    these sources one container of theirs serves."""
    root = make_release(busy.deployed.engine, tmp_path, appended("gateway/public_api.py", "# Its deploy is killed."))
    with guests(busy, say):
        (old,) = busy.of("gateway")
        with busy.deployed.begun("deploy", "--yes", root=root) as running:
            assert wait_until(lambda: len(busy.of("gateway")) == 2, 180, every=0.2)
            running.kill()
        assert wait_until(lambda: "was cut off" in (busy.deployed.asked("status")["unfinished"] or ""), 60, every=1)
        finished = busy.deployed.cli("deploy", "--yes", told=say)
        assert finished.returncode == 0, finished.stdout
        assert "was cut off" in finished.stdout
    assert [one.image for one in busy.of("gateway")] == [old.image]
    assert busy.deployed.asked("status")["unfinished"] is None
    assert "Nothing to do" in busy.deployed.deploy()


def test_an_ill_release_is_rolled_back(busy: Busy, tmp_path: Path, say: Say) -> None:
    """After its migration, and after the gateway has been replaced, a Pipelines host that lives but is never ready is
    the end of a release: everything runs as before, no guest has noticed, and the list of releases says so. The
    databases were dumped before. The next deploy of the old sources runs their jobs again, and touches nothing that
    serves."""
    changes = appended("gateway/host.py", UNREADY)
    migration = {"maitre/sql/migrations/9999_next.sql": "alter table ledger add column next text;\n"}
    root = make_release(busy.deployed.engine, tmp_path, {**changes, **migration})
    before = {service: busy.of(service)[0].image for service in SERVERS}
    (host,) = busy.of("pipelines")
    with guests(busy, say):
        done = busy.deployed.cli("deploy", "--yes", root=root, told=say)
    assert done.returncode == 1
    assert "Rolled back: the house runs release" in done.stdout
    assert "Traceback" not in done.stdout
    assert {service: one.image for service in SERVERS for one in busy.of(service)} == before
    assert [one.id for one in busy.of("pipelines")] == [host.id]
    undone = busy.deployed.asked("rollback", "--list")[-1]
    assert undone["outcome"] == "undone"
    dump = busy.deployed.folder / ".maitre" / "releases" / undone["id"] / "before.sql"
    assert dump.stat().st_mode & 0o777 == 0o600
    assert "CREATE TABLE public.ledger (" in dump.read_text("utf-8")
    assert busy.deployed.psql("select count(*) from information_schema.columns where column_name = 'next'") == "1"
    changes = busy.deployed.asked("deploy", "--yes")["changes"]
    assert {one["kind"] for one in changes} == {"keep", "run"}
    assert "Nothing to do" in busy.deployed.deploy()


def test_an_engine_that_is_away(busy: Busy, tmp_path: Path) -> None:
    """One sentence, and nothing is done."""
    done = busy.deployed.cli("deploy", "--yes", DOCKER_HOST=f"unix://{tmp_path / 'nobody.sock'}")
    assert done.returncode == 1
    assert "Docker does not answer" in done.stdout
    assert len(done.stdout.strip().splitlines()) == 1
