"""Every attempt from its intent to exactly one row."""
