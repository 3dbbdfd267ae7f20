"""What an assistant is."""
