"""What kopf calls: indices, watches that only enqueue, and the operator's beginning and end."""
