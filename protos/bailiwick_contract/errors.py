"""The root of every exception that Bailiwick raises on purpose."""


class BailiwickError(Exception):
    """Something a person can act on: the message says what is wrong, where, and what to do."""
