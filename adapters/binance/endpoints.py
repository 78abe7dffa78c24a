"""Binance's public market data hosts: separate from those that trade, and without a key."""

REST_URL = "https://data-api.binance.vision"
STREAM_URL = "wss://data-stream.binance.vision"
