"""Binance's wire formats and addresses."""
