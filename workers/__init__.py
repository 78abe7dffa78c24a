"""Processes that poll Temporal's task queues."""
