"""What kopf is used for: lists, watches, and the operator's beginning and end."""
