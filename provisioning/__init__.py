"""Open WebUI and Maitre's catalogue as code: wanted, live, plan (a pure difference), apply."""
