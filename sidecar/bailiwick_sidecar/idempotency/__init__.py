"""Idempotency-Key: a call that comes again is made and charged once, per caller."""
