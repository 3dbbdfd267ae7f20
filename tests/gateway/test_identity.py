"""Who asks: a token that Open WebUI signed for this call says so, and nothing else does."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from gateway.replays import Replays
from gateway.user_jwt import BadToken, Claims, verify
from tests.gateway.client import CHAT, FRAN, KEY, SECRET, House, asked, client, signed
from tests.user_jwt import mint

NOW = 1000.0


def raw(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    """A token put together by hand."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join((*parts, signature))


def token(**claims: Any) -> str:
    """A token of this very second."""
    return mint(SECRET, FRAN, **{"iat": 1000, "exp": 1300, **claims})


CLAIMS = {"sub": "u1", "iss": "open-webui", "iat": 1000, "exp": 1300}

#: Tokens that vouch for nobody.
FORGED: dict[str, str] = {
    "nothing": "",
    "no-token": "hello",
    "not-ascii": "ї.ї.ї",
    "wrong-secret": mint("another-secret-that-is-also-long-enough", FRAN, iat=1000, exp=1300),
    "none": raw({"alg": "none"}, CLAIMS),
    "none-in-capitals": raw({"alg": "NONE", "typ": "JWT"}, CLAIMS),
    "no-algorithm": raw({}, CLAIMS),
    "another-algorithm": mint(SECRET, FRAN, algorithm="HS384", iat=1000, exp=1300),
    "a-key-of-its-own": raw({"alg": "RS256", "jwk": {"kty": "oct", "k": "AAAA"}}, CLAIMS, "AAAA"),
    "cut-off": token()[:-3],
    "other-claims-under-a-signature": ".".join(
        (token().split(".")[0], raw({}, CLAIMS | {"sub": "admin"}).split(".")[1], token().split(".")[2])
    ),
    "no-claims": jwt.encode({}, SECRET, algorithm="HS256"),
    **{f"without-{name}": token(**{name: None}) for name in ("sub", "iss", "iat", "exp")},
    "another-issuer": token(iss="closed-webui"),
    "nobody": token(sub=""),
    "blank": token(sub="  "),
    "numbers-for-times": token(iat="1000", exp="9999"),
    "true-for-a-time": token(iat=True),
    "not-a-number": token(iat=float("nan")),
    "endless": token(iat=float("inf")),
    "beyond-all-numbers": token(exp=10**400),
    "expired": token(iat=960, exp=990),
    "too-old": token(iat=900),
    "from-the-future": token(iat=1010),
    "for-another-audience": token(aud="somebody"),
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_a_token_that_is_not_exactly_right_vouches_for_nobody(text: str) -> None:
    """Signature, algorithm, issuer, subject and both times must be there and be right."""
    with pytest.raises(BadToken):
        verify(text, SECRET, NOW)


@pytest.mark.parametrize("iat", [936, 999.5, 1000, 1004])
def test_a_fresh_token_says_who_asks(iat: float) -> None:
    """Clocks may differ by a few seconds; a token lives a minute."""
    assert verify(token(iat=iat), SECRET, NOW) == Claims("u1", "fran@x.io", "Fran", "user", iat)


def test_a_token_is_good_for_ten_seconds() -> None:
    """Calls of one second carry equal tokens; the same token much later is a replay, however often it is tried."""
    seen = Replays()
    assert [seen.replayed("a", 1000, 1000 + wait) for wait in (0, 0, 5, 10, 10.1, 30, 60)] == [False] * 4 + [True] * 3
    assert not seen.replayed("b", 1030, 1030)


def test_the_memory_of_tokens_is_bounded_and_forgets_nothing_that_counts() -> None:
    """With more tokens than it holds, one that may have been forgotten counts as seen; fresh ones pass."""
    seen = Replays(remembered=100)
    for number in range(1000):
        assert not seen.replayed(f"t{number}", 1000 + number * 0.02, 1000 + number * 0.02)
        assert len(seen._first) <= 100
    assert seen.replayed("t0", 1000, 1020)
    assert not seen.replayed("fresh", 1020, 1020)
    for number in range(10):
        assert not seen.replayed(f"later {number}", 2000, 2000 + number)
    assert len(seen._first) <= 11


@pytest.mark.parametrize("step", [-86_400.0, -3_600.0, -66.0, 66.0, 3_600.0, 86_400.0])
def test_a_clock_that_is_set_opens_nothing_and_shuts_nobody_out(step: float) -> None:
    """A token from before the step is refused (Open WebUI makes a new one for every call); those of the new time are
    taken as ever, no more than once, also in a memory that is full of tokens of the old time."""
    seen = Replays(remembered=100)
    for number in range(200):
        assert not seen.replayed(f"before {number}", NOW, NOW)
    with pytest.raises(BadToken):
        verify(token(), SECRET, NOW + step)
    then = NOW + max(step, -900)  # no token is from before the epoch
    assert verify(token(iat=then, exp=then + 300), SECRET, then).user_id == "u1"
    assert [seen.replayed("after", then, then + wait) for wait in (0, 9, 11)] == [False, False, True]
    assert len(seen._first) <= 100


#: Headers and bodies that say who asks in another way than by the token; the words of the 401.
SPOOFED: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "no-token": ({"Authorization": f"Bearer {KEY}"}, {}, "missing"),
    "plain-headers": (
        {"Authorization": f"Bearer {KEY}", "X-OpenWebUI-User-Id": "u1", "X-OpenWebUI-User-Email": "fran@x.io"},
        {"user": FRAN},
        "missing",
    ),
    **{
        f"a-plain-{name}-besides": ({**signed(), f"X-OpenWebUI-User-{name}": "admin"}, {}, "unsigned")
        for name in ("Id", "Email", "Name", "Role")
    },
    "forged-token": ({**signed(), "X-OpenWebUI-User-Jwt": FORGED["none"]}, {}, "refused"),
    "another-user": (signed(), {"user": {**FRAN, "id": "u2"}}, "not the one"),
    "a-user-by-name": (signed(), {"user": "u1"}, "not the one"),
    "a-user-without-an-id": (signed(), {"user": {"email": "fran@x.io"}}, "not the one"),
}


@pytest.mark.parametrize("model", ["assistants.host", "somebody-elses"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("headers", "body", "says"), SPOOFED.values(), ids=SPOOFED)
async def test_nobody_asks_for_another(
    headers: dict[str, str], body: dict[str, Any], says: str, stream: bool, model: str
) -> None:
    """A 401 in OpenAI's shape before any plugin or engine hears of it, for our models and for everybody's."""
    house = House()
    answer = await house.ask(client("POST", CHAT, headers, asked(stream=stream, model=model, **body)))
    assert (answer.status, says in answer.json()["error"]["message"]) == (401, True)
    assert (house.turns.requests, house.upstream.bodies) == ([], [])


async def test_two_tokens_are_none() -> None:
    """A guest who could add a header must not choose which one counts."""
    house = House()
    lines = [*signed().items(), ("X-OpenWebUI-User-Jwt", signed({**FRAN, "id": "u2"})["X-OpenWebUI-User-Jwt"])]
    assert (await house.ask(client("POST", CHAT, lines, asked()))).status == 401
    assert house.turns.requests == []


async def test_the_host_notices_a_replay() -> None:
    """The same call again a little later is refused; a token of its own is not."""
    house, headers = House(), signed()
    assert [(await house.ask(client("POST", CHAT, headers, asked()))).status for _ in range(3)] == [200] * 3
    house.now = 1011
    answer = await house.ask(client("POST", CHAT, headers, asked()))
    assert (answer.status, "used before" in answer.json()["error"]["message"]) == (401, True)
    assert (await house.ask(client("POST", CHAT, signed(iat=1011), asked()))).status == 200


async def test_the_token_is_the_guest() -> None:
    """A turn of ours is the token's user's; a plugin of somebody else reads that user too."""
    house = House()
    await house.ask(client("POST", CHAT, signed(), asked()))
    assert house.turns.requests[0].guest.user_id == "u1"
    theirs = {"model": "gpt", "messages": [{"role": "user", "content": None}, {"role": "user", "content": "x"}]}
    await house.ask(client("POST", CHAT, signed(), json.dumps({**theirs, "odd": [None]}).encode()))
    assert house.upstream.bodies == [
        {
            "model": "gpt",
            "messages": [{"role": "user", "content": ""}, {"role": "user", "content": "x"}],
            "odd": [None],
            "user": FRAN,
        }
    ]


@pytest.mark.parametrize(
    ("lines", "groups"),
    [
        ([], ()),
        ([("X-Maitre-Groups", "")], ()),
        ([("X-Maitre-Groups", "coaches, plan-free")], ("coaches", "plan-free")),
        ([("X-Maitre-Groups", "%D0%A2%D1%80%D0%B5%D0%BD%D0%B5%D1%80%D0%B8")], ("Тренери",)),
        ([("X-Maitre-Groups", "a"), ("X-Maitre-Groups", "b")], ()),
    ],
)
async def test_groups_are_what_the_connection_tells(lines: list[tuple[str, str]], groups: tuple[str, ...]) -> None:
    """Names between commas, percent-encoded where they are not ASCII; a header that is there twice says nothing."""
    house = House()
    await house.ask(client("POST", CHAT, [*signed().items(), *lines], asked()))
    assert house.turns.requests[0].groups == groups
