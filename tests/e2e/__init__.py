"""The whole house, driven from outside: real Open WebUI, Pipelines, Postgres, Valkey and llama.cpp."""
