"""From a file's bytes to its text with headings and pages: one file a format, `parse.parse` chooses."""
