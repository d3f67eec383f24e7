"""Where a config comes from, whether it is one, and what Envoy has of it."""
