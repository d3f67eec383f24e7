"""Language models for typed clients: what `bailiwick.llm.v1` describes, and a client for it."""
