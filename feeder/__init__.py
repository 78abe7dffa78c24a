"""The one process that owns the market sockets."""
