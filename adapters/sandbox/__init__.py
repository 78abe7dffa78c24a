"""Processes that can reach nothing, for code of users who trust neither us nor each other. Knows nothing of filters."""
