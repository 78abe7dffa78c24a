"""What Binance's own REST client gets from the exchange at `sys.argv[1]`; prints one JSON document. Runs in .venv-clients."""

import json
import sys

from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_spot.spot import Spot

address, *symbols = sys.argv[1:]
rest = Spot(config_rest_api=ConfigurationRestAPI(base_path=address, timeout=20_000, retries=0)).rest_api


def plain(model):
    """The content of one of the client's models: some wrap one of several others, some keep a place for what they do not know."""
    content = getattr(model, "actual_instance", None) or model.to_dict()
    if isinstance(content, dict):
        content.pop("additional_properties", None)
    return content


last = rest.time()
json.dump(
    {
        "time": last.data(),
        "weight": {"header": int(last.headers["x-mbx-used-weight-1m"]), "understood": last.rate_limits[0].count},
        "exchangeInfo": rest.exchange_info().data(),
        "klines": {symbol: rest.klines(symbol=symbol, interval="1m", limit=50).data() for symbol in symbols},
        "ticker": {symbol: rest.ticker24hr(symbol=symbol).data() for symbol in symbols},
        "tickers": rest.ticker24hr().data(),
    },
    sys.stdout,
    default=plain,
)
