"""`bailiwick rotate`: tells a tenant's gateways that its keys have changed in Vault."""
