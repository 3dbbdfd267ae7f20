"""The files of compose/services/: read, checked, and of which size."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.render.templates import fill
from compose.stack.catalogue import SERVICES, read_services
from maitre.errors import ConfigError, HouseError

GOOD = """
title: One
image: { name: one, tag: 1.2.3 }
user: "1:1"
health: { test: [CMD, "true"] }
limits: { cpus: 1, memory: { small: 1g, gpu: 2g } }
networks: [edge]
"""


@pytest.mark.parametrize(("size", "memory"), [("small", "1g"), ("gpu", "2g")])
def test_a_size_chooses_its_values(size: str, memory: str, tmp_path: Path) -> None:
    """A value may be one for all sizes, or one for each."""
    (tmp_path / "one.yaml").write_text(GOOD, "utf-8")
    service = read_services(size, tmp_path)["one"]  # type: ignore[arg-type]
    assert (service.limits.cpus, service.limits.memory) == ("1", memory)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (("title: One", "titel: One"), "services/one.yaml: title: Field required"),
        (("tag: 1.2.3", "tag: latest"), "services/one.yaml: image.tag: “latest” is no release; name one"),
        (("tag: 1.2.3", "tog: 1.2.3"), "services/one.yaml: image.tog: Extra inputs are not permitted"),
        ((", tag: 1.2.3", ""), "services/one.yaml: the file: image: needs a tag"),
        (
            ('health: { test: [CMD, "true"] }', ""),
            "services/one.yaml: the file: health: is missing; only a job needs none",
        ),
        (("networks: [edge]", "networks: [host]"), "services/one.yaml: networks.0: Input should be 'edge', 'data' or"),
        (("networks: [edge]", "networks: [edge"), "services/one.yaml: line "),
        (
            ("networks:", "depends_on: { two: healthy }\nnetworks:"),
            "services/one.yaml: depends_on.two: there is no such",
        ),
        (("networks:", "backup: volume:two\nnetworks:"), "services/one.yaml: the file: backup: names no volume of the"),
        (("small: 1g, gpu: 2g", "small: 1g"), "services/one.yaml: limits.memory: Input should be a valid string"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(changed: tuple[str, str], problem: str, tmp_path: Path) -> None:
    """An unknown field, a tag that is none, a service that is not there."""
    text = GOOD.replace(*changed)
    assert text != GOOD
    (tmp_path / "one.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as bad:
        read_services("small", tmp_path)
    assert any(one.startswith(problem) for one in bad.value.problems), bad.value.problems


def test_the_larger_size_gives_no_less() -> None:
    """Every service gets at least as many cores with the larger size."""
    small, gpu = (read_services(size) for size in ("small", "gpu"))
    assert small.keys() == gpu.keys() == {file.stem for file in SERVICES.glob("*.yaml")}
    for name, one in small.items():
        assert float(one.limits.cpus) <= float(gpu[name].limits.cpus), name


def test_templates() -> None:
    """A name is replaced, braces of other kinds stay, and an unknown name is told with those that there are."""
    assert fill('{domain} {"a": 1} {}', {"domain": "x"}, "f") == 'x {"a": 1} {}'
    with pytest.raises(HouseError, match=r"^services/one.yaml: “\{domian\}” means nothing \(there is: domain\)\.$"):
        fill("{domian}", {"domain": "x"}, "services/one.yaml")
