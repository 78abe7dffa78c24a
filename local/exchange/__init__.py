"""A Binance-protocol market of our own: kline and ticker streams and their REST calls, over a generated or a recorded market.

Run it with `python -m local.exchange --help`; docs/simulated-exchange.md says what it does and what it leaves out.
"""
