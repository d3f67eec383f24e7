"""Local mode: the same compiler, agent and Envoy as in a cluster, on this machine alone."""
