"""The real Pipelines server alone with its stores, as a house without Open WebUI: quick to start, easy to break."""
