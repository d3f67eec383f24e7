"""What Vault has to know of a tenant: its policy and its role."""
