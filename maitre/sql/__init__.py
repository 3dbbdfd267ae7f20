"""The schema of Maitre's database."""
