"""Collections over HTTP."""

from __future__ import annotations

from tests.rag_service.desk import ANN, BOB, MODEL, OPERATOR, Desk, Person
from tests.rag_service.doubles import DIMENSION


async def test_a_collection_is_made_with_the_embedder_and_its_dimension(desk: Desk) -> None:
    """The model and the dimension are bound at creation, by asking the embedder on the owner's account."""
    made = await desk.collection(ANN, "handbook", title="Handbook", language="english", readers={"groups": ["staff"]})
    assert made["model"] == MODEL
    assert made["dimension"] == DIMENSION
    assert made["owner"] == {"user": "u-ann", "email": "ann@house.example"}
    assert made["readers"] == {"everyone": False, "users": [], "groups": ["staff"], "assistants": []}
    assert (made["documents"], made["chunks"], made["statuses"]) == (0, 0, {})
    assert (await desk.ask(ANN, "GET", "/collections/handbook")).json == made


async def test_a_put_changes_what_is_given_and_leaves_the_rest(desk: Desk) -> None:
    """Twice is once, and a field that is left out stays."""
    made = await desk.collection(ANN, "handbook", title="Handbook", readers={"everyone": True})
    again = await desk.ask(ANN, "PUT", "/collections/handbook", {"description": "How we work", "index": "exact"})
    assert again.status == 200
    assert again.json == {**made, "description": "How we work", "index": "exact"}


async def test_a_post_makes_new_ones_only(desk: Desk) -> None:
    """A name that is taken is a 409, whoever has it."""
    assert (await desk.ask(ANN, "POST", "/collections", {"name": "a", "title": "A"})).status == 201
    for person in (ANN, BOB):
        refused = await desk.ask(person, "POST", "/collections", {"name": "a"})
        assert (refused.status, refused.code) == (409, "name_taken")


async def test_what_may_not_be_read_looks_like_what_is_not_there(desk: Desk) -> None:
    """The same status and the same sentence."""
    await desk.collection(ANN, "secret")
    hidden = await desk.ask(BOB, "GET", "/collections/secret")
    missing = await desk.ask(BOB, "GET", "/collections/absent")
    assert hidden.status == missing.status == 404
    assert hidden.text.replace("secret", "absent") == missing.text
    assert (await desk.ask(BOB, "GET", "/collections")).json == {"collections": []}
    assert (await desk.ask(BOB, "PUT", "/collections/secret", {"title": "Mine"})).status == 409


async def test_a_reader_may_not_change_it(desk: Desk) -> None:
    """Reading is not managing."""
    await desk.collection(ANN, "open", readers={"everyone": True})
    for method, body in (("PUT", {"title": "x"}), ("DELETE", None)):
        refused = await desk.ask(BOB, method, "/collections/open", body)
        assert (refused.status, refused.code) == (403, "not_owner")
    assert (await desk.ask(ANN, "DELETE", "/collections/open")).status == 204
    assert (await desk.ask(ANN, "GET", "/collections/open")).status == 404


async def test_readers_are_users_groups_and_assistants(desk: Desk) -> None:
    """Each of them opens a collection, and only the one that it names."""
    readers = {"users": ["Bob@House.example", "u-eve"], "groups": ["staff"], "assistants": ["clerk"]}
    await desk.collection(ANN, "shared", readers=readers)
    for person in (BOB, Person("u-eve"), Person("u-x", "", ("staff",)), Person("u-x", "", (), "clerk"), OPERATOR):
        assert (await desk.ask(person, "GET", "/collections/shared")).status == 200, person
    for person in (Person("u-x"), Person("u-x", "", ("Staff", "clerk"), "staff"), Person("u-x", "u-eve")):
        assert (await desk.ask(person, "GET", "/collections/shared")).status == 404, person


async def test_only_the_operator_makes_a_collection_somebody_elses(desk: Desk) -> None:
    """The owner pays, so nobody else may name one."""
    body = {"owner": {"email": "bob@house.example"}}
    refused = await desk.ask(ANN, "PUT", "/collections/gift", body)
    assert (refused.status, refused.code) == (403, "foreign_owner")
    made = await desk.ask(OPERATOR, "PUT", "/collections/gift", body)
    assert (made.status, made.json["owner"]) == (201, {"user": "", "email": "bob@house.example"})
    assert (await desk.ask(BOB, "PUT", "/collections/gift", {"title": "Mine"})).status == 200


async def test_a_language_stays_while_there_are_documents(desk: Desk) -> None:
    """What is written was cut into words by it."""
    await desk.collection(ANN, "notes", language="english")
    assert (await desk.ask(ANN, "PUT", "/collections/notes", {"language": "ukrainian"})).json["language"] == "ukrainian"
    await desk.text(ANN, "notes", "one", "Собака")
    refused = await desk.ask(ANN, "PUT", "/collections/notes", {"language": "english"})
    assert (refused.status, refused.code) == (409, "language_bound")
    assert (await desk.ask(ANN, "PUT", "/collections/notes", {"language": "ukrainian"})).status == 200
