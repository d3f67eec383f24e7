"""Counters that several gateways of a tenant share, in Redis or Valkey."""
