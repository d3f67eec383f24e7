"""Custom resources in, compiled configuration out."""
