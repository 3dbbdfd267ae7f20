"""The RAG service: its parts alone, and the whole service on a real PostgreSQL."""
