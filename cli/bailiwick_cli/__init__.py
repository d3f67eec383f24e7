"""The `bailiwick` command."""
