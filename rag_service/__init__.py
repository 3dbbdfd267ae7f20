"""The RAG service: collections of documents over HTTP, in PostgreSQL with pgvector."""
