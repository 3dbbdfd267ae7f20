"""Docling over HTTP, with a server that says what docling-serve would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rag_service.errors import Unreadable
from rag_service.parsing.docling_http import Docling, DoclingDown
from rag_service.parsing.parse import parse
from rag_service.parsing.parsed import Heading, Paragraph, Parsed, Table
from tests.rag_service.parsing.pdfs import pdf

SCAN = pdf([""], drawing=True)
DOCUMENT: dict[str, Any] = {
    "schema_name": "DoclingDocument",
    "body": {"self_ref": "#/body", "children": [{"$ref": f"#/texts/{n}"} for n in (0, 1, 2)]
             + [{"$ref": "#/groups/0"}, {"$ref": "#/tables/0"}, {"$ref": "#/texts/0"}, {"$ref": "#/nowhere/7"}]},
    "texts": [
        {"self_ref": "#/texts/0", "label": "section_header", "level": 2, "text": "Ціни", "prov": [{"page_no": 1}]},
        {"self_ref": "#/texts/1", "label": "page_footer", "text": "1 / 2", "prov": [{"page_no": 1}]},
        {"self_ref": "#/texts/2", "label": "text", "text": "Усе дорого.", "prov": [{"page_no": 1}]},
        {"self_ref": "#/texts/3", "label": "list_item", "text": "чай", "prov": [{"page_no": 2}]},
    ],
    "groups": [{"self_ref": "#/groups/0", "label": "list", "children": [{"$ref": "#/texts/3"}]}],
    "tables": [{"self_ref": "#/tables/0", "label": "table", "prov": [{"page_no": 2}], "data": {
        "grid": [[{"text": "Товар"}, {"text": "Ціна"}], [{"text": "Чай"}, {"text": "12"}]]}}],
    "pages": {"1": {}, "2": {}},
}  # fmt: skip

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Serve:
    """A docling-serve whose answer a test says; keeps the form it was sent."""

    def __init__(self) -> None:
        self.answer: Answer = self._converted
        self.body: Any = {"status": "success", "document": {"json_content": DOCUMENT}, "errors": []}
        self.forms: list[dict[str, Any]] = []
        self.url = ""

    async def convert(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/convert/file`."""
        form = await request.post()
        self.forms.append({name: field.file.read() if isinstance(field, web.FileField) else field
                           for name, field in form.items()})  # fmt: skip
        return await self.answer(request)

    async def parse(self, data: bytes = SCAN, **settings: Any) -> Parsed:
        """The file, parsed in a thread as a worker does."""
        docling = Docling(self.url, **settings)
        return await asyncio.to_thread(parse, "scan.pdf", data, docling=docling)

    async def _converted(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.body)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """A server of its own for each test."""
    serve = Serve()
    app = web.Application(client_max_size=1 << 22)
    app.router.add_post("/v1/convert/file", serve.convert)
    async with TestServer(app) as server:
        serve.url = str(server.make_url("/"))
        yield serve


async def test_docling_reads_a_scan_in_its_order_with_its_pages(serve: Serve) -> None:
    """Headings, lists and tables come with their pages, what repeats on each page does not come."""
    parsed = await serve.parse()
    assert parsed == Parsed("pdf", "Ціни", (
        Heading("Ціни", 2, 1), Paragraph("Усе дорого.", 1), Paragraph("- чай", 2),
        Table("Товар | Ціна", ("Чай | 12",), 2),
    ), 2)  # fmt: skip
    assert serve.forms == [{"files": SCAN, "to_formats": "json", "image_export_mode": "placeholder"}]


async def test_an_image_goes_to_docling_and_a_text_does_not(serve: Serve) -> None:
    """What says its own structure is read here."""
    image = b"\x89PNG\r\n\x1a\n" + bytes(20)
    assert (await serve.parse(image)).kind == "image"
    assert (await serve.parse(b"words")).kind == "text"
    assert [form["files"] for form in serve.forms] == [image]


async def test_a_locked_or_endless_pdf_does_not_go_to_docling(serve: Serve) -> None:
    """Its answer would be the same, only later and less clear."""
    for data, code in ((pdf(["secret"], encrypt=True), "encrypted"), (pdf(["x"], copies=5001), "too_large")):
        with pytest.raises(Unreadable) as refused:
            await serve.parse(data)
        assert refused.value.code == code
    assert not serve.forms


#: Docling's bodies; the code, words of the sentence.
REFUSED: dict[str, tuple[Any, str, str]] = {
    "failure": (
        {"status": "failure", "document": {}, "errors": [{"error_message": "bad fonts"}]},
        "broken",
        "bad fonts",
    ),
    "no-document": ({"status": "success", "document": {"json_content": None}}, "broken", "no reason"),
    "no-text": ({"status": "success", "document": {"json_content": {"body": {}}}}, "empty", "no text"),
    "nonsense-document": (
        {"status": "success", "document": {"json_content": {"body": {"children": 7}}}},
        "broken",
        "dam",
    ),
    "too-long": ({"status": "success", "padding": "x" * 9000}, "too_large", "answer"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_docling_cannot_read_is_unreadable(serve: Serve, case: str) -> None:
    """Another try would end the same."""
    serve.body, code, words = REFUSED[case]
    with pytest.raises(Unreadable, match=words) as refused:
        await serve.parse(answer=8000)
    assert refused.value.code == code


async def slow(request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def failing(request: web.Request) -> web.StreamResponse:
    """Has a fault of its own."""
    return web.Response(status=503)


async def other(request: web.Request) -> web.StreamResponse:
    """Is some other server."""
    return web.Response(text="<html>")


async def hanging_up(request: web.Request) -> web.StreamResponse:
    """Dies in its answer."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport
    request.transport.close()
    return response


@pytest.mark.parametrize(
    ("answer", "words"),
    [(slow, "within 0.2 seconds"), (failing, "status 503"), (other, "not what"), (hanging_up, "cannot be reached")],
)
async def test_docling_being_down_is_worth_another_try(serve: Serve, answer: Answer, words: str) -> None:
    """The file is not to blame, and nobody waits for ever."""
    serve.answer = answer
    with pytest.raises(DoclingDown, match=words):
        await serve.parse(seconds=0.2 if answer is slow else 60)


async def test_no_docling_at_its_address_is_worth_another_try() -> None:
    """It may be starting."""
    with pytest.raises(DoclingDown, match="cannot be reached"):
        await asyncio.to_thread(parse, "a.pdf", SCAN, docling=Docling("http://127.0.0.1:9"))
