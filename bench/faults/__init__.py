"""A gateway under mixed load and seeded faults, and whether its books are right afterwards."""
