"""API keys: who asks at the gateway, and for how much."""
