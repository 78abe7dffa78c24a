"""Deterministic code only: what must survive everything."""
