"""The fair line in front of each provider: who is served, who waits, in which order and about how long."""
