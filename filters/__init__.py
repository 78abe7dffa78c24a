"""Engines that evaluate a trader's filter over a snapshot of the market."""
