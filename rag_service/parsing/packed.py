"""Office files are zip archives: what is in one, and whether it may be unpacked."""

from __future__ import annotations

import re
import zipfile
import zlib
from io import BytesIO

from rag_service.errors import Unreadable
from rag_service.parsing.parsed import Limits

_KINDS = (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx"))
_MEMBERS = 20_000
# Office Open XML forbids document type declarations (ECMA-376 part 2, 6.2.5); entities that swell come with one.
_DECLARATIONS = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))


def kind(data: bytes, limits: Limits) -> str:
    """docx, pptx or xlsx, by the archive's members. Raises Unreadable: broken, encrypted, too_large (it would unpack to
    more than the limits), unknown_type (another archive)."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            found = _kind([member.filename for member in members])
            _bounded(members, limits)
            for member in members:
                if _xml(member):
                    _no_declaration(archive, member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise Unreadable("broken", "The file is a damaged archive; it was perhaps not uploaded completely.") from error
    return found


def _kind(names: list[str]) -> str:
    if "[Content_Types].xml" in names and "xl/workbook.bin" not in names:
        for folder, found in _KINDS:
            if any(name.startswith(folder) and name.endswith(".xml") for name in names):
                return found
    raise Unreadable("unknown_type", "The file is an archive, and no DOCX, PPTX or XLSX; upload the files in it.")


def _xml(member: zipfile.ZipInfo) -> bool:
    return member.filename.lower().endswith((".xml", ".rels", ".vml"))


def _bounded(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    """Nobody unpacks more than the declared sizes: Python's zipfile cuts a member that is longer."""
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("encrypted", "The file is protected by a password; upload it without one.")
    total = sum(member.file_size for member in members)
    xml = sum(member.file_size for member in members if _xml(member))
    if len(members) > _MEMBERS or total > limits.unpacked or xml > limits.xml:
        raise Unreadable(
            "too_large",
            f"The file unpacks to {total >> 20} MB in {len(members)} parts ({xml >> 20} MB of them text); allowed are "
            f"{limits.unpacked >> 20} MB in {_MEMBERS} parts ({limits.xml >> 20} MB of text).",
        )


def _no_declaration(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """A declaration can only stand before the root element; comments may push it far down."""
    with archive.open(member) as part:
        before = b""
        while block := part.read(1 << 20):
            text = before + block
            if any(declaration in text for declaration in _DECLARATIONS):
                raise Unreadable("broken", "The file's XML has a document type declaration, which is not allowed.")
            if re.search(rb"<[A-Za-z]", text):
                return
            before = text[-20:]
