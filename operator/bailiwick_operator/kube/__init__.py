"""The Kubernetes API as this operator needs it: a Protocol, its kinds, and an HTTP adapter."""
