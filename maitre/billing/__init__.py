"""What usage costs, and the ledger that keeps it."""
