"""What operator, agent and CLI agree on; knows neither Kubernetes nor Envoy."""
