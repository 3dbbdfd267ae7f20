"""The OpenAPI document: one YAML file a noun, put together when the process starts."""
