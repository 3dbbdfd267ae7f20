"""Files of every kind, whole, faulty and hostile."""
