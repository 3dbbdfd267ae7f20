"""What a turn reports to Langfuse."""
