"""Resources of one tenant in, one `TenantConfig` and everybody's conditions out. Pure."""
