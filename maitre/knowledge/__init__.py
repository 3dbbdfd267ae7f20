"""Knowledge: collections of documents, and the passages of them that a turn is given."""
