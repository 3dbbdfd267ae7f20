"""What is written twice because its parts do not import one another is the same: signed callers, and languages."""

from __future__ import annotations

import pytest

from gateway import on_behalf as gateway_reader
from maitre.knowledge import collection, on_behalf_http
from provisioning import on_behalf as operator_signer
from rag_service import callers, languages

KEY = "a secret of the house, and long enough"
NOW = 1_795_259_030.0
EMAIL = "ann@house.example"

ENGINE = on_behalf_http.headers(KEY, NOW, "u-ann", email=EMAIL, groups=["staff"], assistant="coach", turn_id="t1")
OPERATOR = operator_signer.headers(KEY, NOW, "u-ann", EMAIL, ["staff"])
SERVICE = callers.sign(KEY, NOW, user_id="u-ann", email=EMAIL, groups=["staff"])
TOKENS = {
    "engine": ENGINE[on_behalf_http.HEADER],
    "operator": OPERATOR[operator_signer.HEADER],
    "service": SERVICE,
}


@pytest.mark.parametrize("token", [pytest.param(token, id=name) for name, token in TOKENS.items()])
def test_the_gateway_and_the_rag_service_read_the_same_caller(token: str) -> None:
    """Whoever signs: user, turn and what opens collections arrive; nobody is an operator who did not say so."""
    caller = callers.read(token, KEY, NOW)
    behalf = gateway_reader.read(token, KEY, NOW)
    assert behalf is not None
    assert (caller.user_id, caller.email, caller.groups) == ("u-ann", EMAIL, ("staff",))
    assert (behalf.user_id, behalf.turn_id) == ("u-ann", caller.turn)
    assert not caller.operator


def test_only_the_operators_token_opens_everything() -> None:
    """What the operator signs for is what the service takes for it."""
    token = operator_signer.headers(KEY, NOW, "u-ann", operator=True)[operator_signer.HEADER]
    assert callers.read(token, KEY, NOW).operator


def test_a_token_ends_when_its_minute_is_over() -> None:
    """Both readers refuse it at the same moment, and not before."""
    late = NOW + callers.LIFE + callers.LEEWAY
    for token in TOKENS.values():
        assert callers.read(token, KEY, late - 1).user_id == "u-ann"
        assert gateway_reader.read(token, KEY, late - 1) is not None
        assert gateway_reader.read(token, KEY, late + 1) is None
        with pytest.raises(callers.BadToken):
            callers.read(token, KEY, late + 1)


def test_the_names_of_the_header_are_one() -> None:
    """Headers know no case."""
    names = (on_behalf_http.HEADER, operator_signer.HEADER, callers.HEADER, gateway_reader.HEADER)
    assert len({name.lower() for name in names}) == 1


def test_a_collections_languages_are_those_that_the_service_takes() -> None:
    """What `maitre.yaml` may say of a collection, the service makes."""
    assert set(collection.LANGUAGES) == languages.LANGUAGES
