"""The sidecar control plane of one gateway: admission, keys, quota, journal, xDS."""
