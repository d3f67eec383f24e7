"""What a tenant namespace gets: pure functions from values to manifests."""
