"""The client of the RAG service."""

from __future__ import annotations

import io
from typing import Any

import pytest
import requests

from provisioning import rag_http
from provisioning.rag_http import Behalf, RagError, RagService
from tests.provisioning.rag_service import KEY, OPERATOR, FakeRagService, refused


@pytest.fixture
def service() -> FakeRagService:
    return FakeRagService()


def test_each_request_says_on_whose_behalf_it_is(service: FakeRagService) -> None:
    """The token names the user with e-mail and groups, is short-lived, and says operator only of an operator."""
    service.client().collections()
    service.client().speaking_for(Behalf("u2", "fran@x.io", ("coaches",))).collections()

    operator, guest = service.claims
    assert (operator["sub"], operator["operator"]) == ("u1", True)
    assert (guest["sub"], guest["email"], guest["groups"], guest["operator"]) == ("u2", "fran@x.io", ["coaches"], False)
    assert guest["exp"] - guest["iat"] == 60


def test_a_wrong_key_is_a_sentence_with_a_remedy(service: FakeRagService) -> None:
    """The operator reads what to compare; the key is not shown."""
    client = service.client()
    wrong = RagService(client.base_url, "another key that is long enough, too", OPERATOR, client._session)

    with pytest.raises(RagError, match="rag_key") as failed:
        wrong.collections()

    assert failed.value.passing
    assert "another key" not in str(failed.value)
    assert KEY not in repr(vars(failed.value))


@pytest.mark.parametrize(
    ("answer", "says", "code", "passing"),
    [
        (refused(404, "unknown_job", "There is no such job."), "There is no such job.", "unknown_job", False),
        (refused(503, "unavailable", "The database does not answer."), "does not answer", "unavailable", True),
        ((502, None), "answered 502 Bad Gateway", "", True),
        ((200, None), "is not the RAG service", "", False),
    ],
)
def test_a_refusal_is_the_sentence_of_the_service(
    service: FakeRagService, answer: tuple[int, Any], says: str, code: str, passing: bool
) -> None:
    """Whatever answers instead of the service is told from it; `passing` are those that hit every other request too."""
    service.before = lambda method, path: answer

    with pytest.raises(RagError, match=says) as failed:
        service.client().get("jobs", "1")

    assert (failed.value.code, failed.value.passing) == (code, passing)


def test_a_service_that_is_down_is_a_sentence() -> None:
    """Nobody listens: one sentence with the address, no traceback of the client's."""
    with pytest.raises(RagError, match=r"http://127\.0\.0\.1:9 cannot be reached") as failed:
        RagService("http://127.0.0.1:9", KEY, OPERATOR).collections()

    assert failed.value.status == 0


def test_a_listing_is_read_to_its_end(service: FakeRagService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents come page by page, each once, in the order of their keys."""
    monkeypatch.setattr(rag_http, "PAGE", 2)
    service.add("handbook")
    client = service.client()
    for key in "bdaec":
        client.upload("handbook", key, key, io.BytesIO(b"x"))

    assert [one["key"] for one in client.documents("handbook")] == list("abcde")
    assert [one["key"] for one in client.documents("handbook", "ready")] == []


def test_names_are_quoted(service: FakeRagService) -> None:
    """A name with a slash is not another path."""
    with pytest.raises(RagError, match="There is no collection “a/documents”"):
        service.client().get("collections", "a/documents")


def test_no_proxy_is_asked_for_this_machine() -> None:
    """A proxy of the environment is not used for loopback, and is for another machine."""
    near, far = requests.Session(), requests.Session()
    RagService("http://127.0.0.1:1", KEY, OPERATOR, near)
    RagService("http://rag.example", KEY, OPERATOR, far)

    assert (near.trust_env, far.trust_env) == (False, True)
