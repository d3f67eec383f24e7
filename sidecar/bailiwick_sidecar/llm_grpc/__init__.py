"""The gRPC face of this gateway: turns each call into an HTTP call through its own Envoy."""
