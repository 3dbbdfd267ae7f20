"""The migrations of both databases: what they may do, and how they are applied."""
