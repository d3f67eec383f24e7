"""How a gateway runs in a pod: one command, `bailiwick-gateway`, in each of its containers."""
