"""Crashes at every step of a turn, and what the books must say afterwards."""
