"""Figures that more than one part must agree on."""

MAX_ATTEMPTS = 5
"""Upper bound on attempts of one request: one plan header and one matcher level each."""

MAX_CONFIG_BYTES = 900 * 1024
"""Largest canonical config: it has to fit into a ConfigMap (1 MiB) together with its metadata."""
