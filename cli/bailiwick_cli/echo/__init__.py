"""A provider with OpenAI's shape that repeats what it hears and counts exactly what it says."""
