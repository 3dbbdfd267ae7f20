"""Vectors as pgvector sends and receives them in binary: two bytes of dimension, two of nothing, big-endian floats."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from rag_service.store.faults import StoreFault


def packed(embedding: Sequence[float], dimension: int, halfvec: bool) -> bytes:
    """An embedding in pgvector's binary form. Raises StoreFault when it is of another dimension or not finite."""
    numbers = np.asarray(embedding, dtype=np.float64)
    if numbers.shape != (dimension,):
        raise StoreFault(f"The embedding has {numbers.size} dimensions; the collection's model has {dimension}.")
    with np.errstate(over="ignore"):
        floats = numbers.astype(">f2" if halfvec else ">f4")
    if not np.isfinite(floats).all():
        raise StoreFault("The embedding has a number that is infinite, too large or none at all.")
    return struct.pack(">HH", dimension, 0) + floats.tobytes()


def unpacked(raw: bytes, halfvec: bool) -> list[float]:
    """The embedding in pgvector's binary form."""
    numbers: list[float] = np.frombuffer(raw, dtype=">f2" if halfvec else ">f4", offset=4).astype(np.float64).tolist()
    return numbers


class Packed:
    """An embedding as a parameter of a statement, which casts it."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw


class PackedDumper(Dumper):
    """Sends a `Packed` as it is; its type is the one that the statement's cast says."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: Packed) -> bytes:
        return obj.raw


psycopg.adapters.register_dumper(Packed, PackedDumper)
