"""Maitre, the maître d' of Open WebUI: plans, quotas, a ledger and traces around every model call."""
