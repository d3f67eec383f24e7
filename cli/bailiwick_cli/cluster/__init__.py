"""What the command asks of a cluster, through `kubectl` and with its user's own rights."""
