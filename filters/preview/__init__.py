"""Filters over past candles: what they would have found, and what came of it."""
