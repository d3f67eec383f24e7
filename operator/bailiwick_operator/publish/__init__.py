"""The newest config of each namespace, to the gateways of that namespace and to nobody else."""
