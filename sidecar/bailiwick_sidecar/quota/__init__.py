"""The quota engine: pure, deterministic, the clock a parameter."""
