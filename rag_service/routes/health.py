"""Whether the service runs."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> dict[str, str]:
    """Answers without a key, while the process serves."""
    return {"status": "ok"}
