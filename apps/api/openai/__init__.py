"""The OpenAI-compatible API: `/v1/…` on every workspace's host (docs/openai-api.md)."""
