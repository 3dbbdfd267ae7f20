"""The command line: one file a command. Each is thin; the work is elsewhere."""
