"""Who calls, which model, whether it fits: every attempt is decided here before it leaves."""
