"""Providers' keys from Vault: fetched by the gateway itself, kept in memory only."""
