"""`bailiwick explain`: what would become of a call, and why, without a gateway."""
