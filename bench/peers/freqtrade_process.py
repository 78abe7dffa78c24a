"""Runs rules as freqtrade does, in its own environment: `python freqtrade_process.py DIRECTORY`, where comparison.py has written them.

Each rule is a strategy of freqtrade's; each of its pairs is analysed by `IStrategy.analyze_pair` and asked with `get_entry_signal`, which
is what a freqtrade bot does for every pair at every new candle. Prints, as JSON, the CPU time of each rule in seconds and its pairs.
"""

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import talib.abstract as ta
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import CandleType, RunMode
from freqtrade.strategy import IStrategy, merge_informative_pair

CONFIG = {
    "runmode": RunMode.DRY_RUN,
    "timeframe": "5m",
    "stake_currency": "USDT",
    "candle_type_def": CandleType.SPOT,
    "exchange": {"name": "binance", "outdated_offset": 120},
    "trading_mode": "spot",
}


class Exchange:
    """Stands for freqtrade's exchange: candles that are already here, copied for a strategy as freqtrade does."""

    _config = CONFIG

    def __init__(self, frames: dict[tuple[str, str], pd.DataFrame]) -> None:
        self._frames = frames

    def klines(self, pair: tuple[str, str, CandleType], copy: bool = True) -> pd.DataFrame:  # noqa: FBT001, FBT002 - freqtrade's
        frame = self._frames[pair[:2]]
        return frame.copy() if copy else frame


class RuleStrategy(IStrategy):
    """A strategy whose two methods are those of a rule."""

    timeframe = "5m"
    stoploss = -0.1
    minimal_roi = {"0": 1}  # noqa: RUF012 - freqtrade's

    def __init__(self, source: str, *, reads_hours: bool, exchange: Exchange) -> None:
        super().__init__(CONFIG)
        self.dp = DataProvider(CONFIG, exchange)
        self.reads_hours = reads_hours
        self.written: dict = {"ta": ta, "np": np, "merge_informative_pair": merge_informative_pair}
        exec(source, self.written)

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        hours = self.dp.get_pair_dataframe(metadata["pair"], "1h") if self.reads_hours else None
        return self.written["indicators"](dataframe, hours)

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:  # noqa: ARG002 - freqtrade's
        return self.written["entry"](dataframe)

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:  # noqa: ARG002 - freqtrade's
        return dataframe

    def enters(self, pair: str) -> bool:
        """What the bot does with one pair at a new candle."""
        self.analyze_pair(pair)
        analysed, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
        direction, _ = self.get_entry_signal(pair, self.timeframe, analysed)
        return direction is not None


def frames(directory: Path, pairs: list[str]) -> dict[tuple[str, str], pd.DataFrame]:
    """The candles of each pair and interval, moved by whole hours to the present, as freqtrade refuses old ones."""
    columns = {timeframe: np.load(directory / f"{timeframe}.npz") for timeframe in ("5m", "1h")}
    moved = pd.Timestamp.now("UTC").floor("1h") - pd.Timestamp(int(columns["5m"]["opened"][-1]), unit="ms", tz="UTC").floor("1h")
    found = {}
    for timeframe, arrays in columns.items():
        dates = pd.to_datetime(arrays["opened"], unit="ms", utc=True) + moved
        for row, pair in enumerate(pairs):
            values = {name: arrays[name][row] for name in arrays.files if name != "opened"}
            found[pair, timeframe] = pd.DataFrame({"date": dates, **values}).dropna(subset=["close"]).reset_index(drop=True)
    return found


def main() -> None:
    logging.disable(logging.WARNING)
    directory = Path(sys.argv[1])
    rules = json.loads((directory / "rules.json").read_text())
    pairs = rules["pairs"]
    exchange = Exchange(frames(directory, pairs))
    entered, seconds = [], []
    for rule in rules["rules"]:
        strategy = RuleStrategy(rule["source"], reads_hours=rule["reads_hours"], exchange=exchange)
        begin = time.process_time()
        entered.append([pair for pair in pairs if strategy.enters(pair)])
        seconds.append(time.process_time() - begin)
    json.dump({"seconds": seconds, "entered": entered}, sys.stdout)


if __name__ == "__main__":
    main()
