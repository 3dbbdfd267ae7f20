"""Side-by-side measurements: every target in every round of one run. See README.md."""
