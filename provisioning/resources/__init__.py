"""One file a resource: what is wanted, what is live, the difference, and how a change is made."""
