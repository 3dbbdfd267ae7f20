"""The machine: what a deploy must find there, and what is advised."""
