"""Jobs: how documents become chunks that answer."""
