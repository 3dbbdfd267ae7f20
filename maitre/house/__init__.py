"""A house's files: read, checked at this edge, and made nouns."""
