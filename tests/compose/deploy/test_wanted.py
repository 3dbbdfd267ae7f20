"""What a rendered Compose file wants."""

from __future__ import annotations

from typing import Any

import pytest

from compose.deploy.wanted import is_here, ordered, size, stamped, wanted
from compose.running import CONFIG, READS
from tests.compose import small


def services(document: dict[str, Any] | None = None, /, **more: str) -> Any:
    """The services of the small stack."""
    of = document or small.document()
    return wanted(of, small.files(of, **more), {}, folder="/house/.maitre/stack")


@pytest.mark.parametrize(
    ("written", "bytes"), [("512m", 512 * 2**20), ("2g", 2**31), ("1.5GB", 3 * 2**29), ("1024", 1024), (7, 7), ("0", 0)]
)
def test_sizes(written: str | int, bytes: int) -> None:
    """As Compose writes them."""
    assert size(written) == bytes


def test_each_comes_after_what_it_needs() -> None:
    """And a circle, which Compose refuses, ends too."""
    assert ordered({"a": ["b"], "b": ["c"], "c": (), "d": ()}) == ("c", "d", "b", "a")
    assert set(ordered({"a": ["b"], "b": ["a"]})) == {"a", "b"}


def test_a_service_is_read() -> None:
    """Its image, limits, ports, needs, and whether it is a job, built here or rolled."""
    found = services()
    assert list(found) == ["postgres", "traefik", "migrate", "gateway", "seed"]
    assert found["traefik"].ports == (("127.0.0.1", 80), ("127.0.0.1", 443))
    gateway = found["gateway"]
    assert (gateway.memory, gateway.built, gateway.beside, gateway.job) == (2**30, True, True, False)
    assert gateway.needs == ("postgres", "migrate")


@pytest.mark.parametrize(
    ("port", "read"),
    [
        ("80:80", ("0.0.0.0", 80)),
        ("[::1]:443:443", ("::1", 443)),
        ({"host_ip": "10.0.0.1", "published": "8080", "target": 80}, ("10.0.0.1", 8080)),
        ({"published": 81, "target": 80}, ("0.0.0.0", 81)),
    ],
)
def test_ports_in_every_form(port: object, read: tuple[str, int]) -> None:
    """Address and published port, short or long."""
    document = small.document()
    document["services"]["traefik"]["ports"] = [port]
    assert services(document)["traefik"].ports == (read,)


def test_a_service_reads_what_it_mounts() -> None:
    """Files, folders and secrets; not what Traefik watches, whatever way the path is written."""
    assert set(services()["traefik"].reads) == {"traefik/traefik.yaml"}
    document = small.document()
    document["services"]["traefik"]["volumes"] = [
        {"type": "bind", "source": "/house/.maitre/stack/traefik/traefik.yaml", "target": "/t"},
        "data:/data",
    ]
    assert services(document)["traefik"].reads == services()["traefik"].reads
    assert services()["traefik"].mark != services(**{"traefik/traefik.yaml": "log: {}"})["traefik"].mark
    assert services()["traefik"].mark == services(**{"traefik/dynamic/b.yaml": "http: {}"})["traefik"].mark


def test_labels_do_not_change_what_they_tell_of() -> None:
    """A Compose file with our labels wants the same as without, and each service has both."""
    of = small.document()
    labelled = stamped(of, services())
    again = services(labelled)
    assert {name: one.mark for name, one in again.items()} == {name: one.mark for name, one in services().items()}
    assert set(labelled["services"]["traefik"]["labels"]) == {CONFIG, READS}


def test_an_image_pinned_by_its_digest_is_found() -> None:
    """Docker lists it without its tag; another digest is another image."""
    images = {"traefik:v3", "host:5000/traefik@sha256:aa"}
    told = [is_here(f"host:5000/traefik:v3@sha256:{digest}", images) for digest in ("aa", "bb")]
    assert [*told, is_here("traefik:v3", images), is_here("traefik:v4", images)] == [True, False, True, False]
