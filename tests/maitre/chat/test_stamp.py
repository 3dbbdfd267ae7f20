"""The signed stamp: what we signed comes back, and nothing else does."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.chat.message import Stamp
from maitre.chat.stamp import sign, verify

SECRET = "a secret of the house"
NOW = 1_790_000_000.0
STAMP = Stamp("u1", "assistants.coach", "turn-1", int(NOW) + 100, chat_id="c1", browser=True, language="uk-UA")
TASK = replace(STAMP, kind="task", task="title_generation")


def check(text: object, user_id: str = "u1", model: str = "assistants.coach", now: float = NOW) -> Stamp | None:
    """Verify as the pipe of the coach does."""
    return verify(text, SECRET, user_id=user_id, model=model, now=now)


def encoded(value: object) -> str:
    """A payload as `sign` writes it."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("stamp", [STAMP, TASK, replace(STAMP, refusal="Ліміт вичерпано…", refusal_status=429)])
def test_our_own_stamp_is_believed(stamp: Stamp) -> None:
    """Every field comes back as it went in."""
    assert check(sign(stamp, SECRET)) == stamp


def test_a_stamp_is_for_one_user_and_one_model() -> None:
    """Another guest, or another model, cannot use it."""
    text = sign(STAMP, SECRET)
    assert check(text, user_id="u2") is None
    assert check(text, model="assistants.planner") is None
    assert check(text, model="models.coach") is None


def test_a_stamp_expires() -> None:
    """It holds to its last second and no longer."""
    text = sign(STAMP, SECRET)
    assert check(text, now=STAMP.expires) == STAMP
    assert check(text, now=STAMP.expires + 0.001) is None


def test_a_stamp_signed_with_another_secret_is_forged() -> None:
    """Only the house's secret counts."""
    assert check(sign(STAMP, "another")) is None


def test_a_payload_cannot_be_swapped() -> None:
    """The signature of one stamp does not fit another payload."""
    ours, other = sign(STAMP, SECRET), sign(TASK, SECRET)
    assert check(f"{other.rpartition('.')[0]}.{ours.rpartition('.')[2]}") is None
    free = encoded({**asdict(STAMP), "kind": "task"})
    assert check(f"{free}.{ours.rpartition('.')[2]}") is None


@given(at=st.integers(0, len(sign(STAMP, SECRET)) - 1), letter=st.characters())
def test_no_changed_letter_is_overlooked(at: int, letter: str) -> None:
    """A stamp with any one letter replaced is refused."""
    text = sign(STAMP, SECRET)
    changed = text[:at] + letter + text[at + 1 :]
    assert (check(changed) is None) == (changed != text)


@given(end=st.integers(0, len(sign(STAMP, SECRET)) - 1))
def test_a_truncated_stamp_is_refused(end: int) -> None:
    """No beginning of a stamp is a stamp."""
    assert check(sign(STAMP, SECRET)[:end]) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        ".",
        "..",
        0,
        True,
        b"bytes",
        [],
        {"user_id": "u1"},
        "é.é",
        "\ud800.\udfff",
        "\x00",
        encoded(asdict(STAMP)),
        encoded(asdict(STAMP)) + ".",
        "x" * 1_000_000,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_anything_else_is_no_stamp(text: object) -> None:
    """Whatever a guest puts under the key, nothing is raised and nothing is believed."""
    assert check(text) is None


@given(text=st.text() | st.builds(lambda head, tail: f"{head}.{tail}", st.text(), st.text()))
def test_no_text_is_a_stamp_by_chance(text: str) -> None:
    """Any Unicode text is refused without an error."""
    assert check(text) is None


@pytest.mark.parametrize("payload", [[], "text", 5, None, {"user_id": "u1"}, {**asdict(STAMP), "extra": 1}])
def test_a_signed_payload_of_another_version_is_refused(payload: object) -> None:
    """A stamp of an older or newer Maitre is no stamp, rather than an error."""
    from maitre.chat.stamp import _mac

    text = encoded(payload)
    assert check(f"{text}.{_mac(text, SECRET)}") is None


def test_whatever_a_client_calls_its_chat_can_be_signed() -> None:
    """JSON may carry half a surrogate pair; the inlet must not fall over it."""
    odd = replace(STAMP, chat_id="\ud83d", language="\udc00")
    assert check(sign(odd, SECRET)) is not None
