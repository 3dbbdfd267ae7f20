"""Mixed traffic against a real gateway for a long time: what must not grow does not, and the books agree."""
