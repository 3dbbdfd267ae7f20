"""The upstreams that speak the OpenAI API."""
