"""Filters of the browser product: what becomes of them here, whether they do here what they did there, and the same in expressions."""
