"""Which symbols are followed, when they join and leave, and in which order they rank."""

import gzip
from pathlib import Path

import orjson
import pytest

from adapters.binance.listings import ListedSymbol, parse_listings, weight_limit
from adapters.binance.market_frames import TickerEvent
from adapters.binance.rest import TimeSample
from adapters.candle_store import CandleStore
from adapters.feeder_protocol import Listing, Status, Symbols, decode
from domain.errors import RefusedError, UnavailableError
from domain.market import SYMBOL_STATUSES, Market, SymbolStatus
from feeder.broadcast import Broadcast
from feeder.intake import Intake
from feeder.ranking import ranked
from feeder.selection import STABLE_BASES, Selection, excluded_bases
from feeder.statistics import FeederStatistics
from feeder.universe import NAMES_LOGGED, Universe

DATA = Path(__file__).parents[4] / "shared/data/rest"
TETHER = Selection(quote_asset="USDT")


def real(name):
    """A raw reply of the real exchange."""
    file = DATA / name
    if not file.exists():
        pytest.skip("the exchange's recorded replies are not on this machine")
    return orjson.loads(gzip.decompress(file.read_bytes()))


def of(listed, selection=TETHER):
    return {one.symbol for one in listed if selection.admits(one) and one.status is SymbolStatus.TRADING}


def test_of_the_exchange_of_2021_all_but_stable_bases_and_leveraged_tokens_are_wanted():
    listed = parse_listings(real("exchangeInfo_2021-10-12.json.gz"))
    left_out = {one.symbol for one in listed if one.quote_asset == "USDT" and one.status is SymbolStatus.TRADING} - of(listed)
    leveraged = {one.symbol for one in listed if one.is_leveraged}

    assert 1_695 == len(listed)
    assert 433 == sum(one.status is SymbolStatus.BREAK for one in listed)
    assert {"BTCUPUSDT", "BTCDOWNUSDT", "1INCHUPUSDT"} <= leveraged
    assert leveraged == {one.symbol for one in listed if one.symbol.endswith(("UPUSDT", "DOWNUSDT"))} - {"JUPUSDT", "SUPUSDT"}
    assert {f"{base}USDT" for base in ("TUSD", "USDC", "BUSD", "EUR", "GBP", "AUD", "SUSD", "USDP")} == left_out - leveraged
    assert 275 - 8 == len(of(listed))


def test_of_the_exchange_of_2024_symbols_whose_names_only_look_leveraged_or_stable_are_wanted():
    info = real("exchangeInfo_2024-09-08.json.gz")
    listed = parse_listings(info)

    left_out = {"USDCUSDT", "FDUSDUSDT", "TUSDUSDT", "USDPUSDT", "EURUSDT", "AEURUSDT", "EURIUSDT"}
    assert left_out == {one.symbol for one in listed if one.quote_asset == "USDT"} - of(listed)
    assert 376 - len(left_out) == len(of(listed))
    assert {"JUPUSDT", "SUPERUSDT", "PAXGUSDT", "USTCUSDT"} <= of(listed)
    assert 6_000 == weight_limit(info)


def entry(symbol, base, **more):
    return {"symbol": symbol, "baseAsset": base, "quoteAsset": "USDT", "status": "TRADING", "isSpotTradingAllowed": True} | more


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (entry("SYRUPUSDT", "SYRUP"), True),
        (entry("JUPUSDT", "JUP", permissionSets=[["SPOT", "MARGIN"]]), True),
        (entry("USDCUSDT", "USDC"), False),
        (entry("AUSDCUSDT", "AUSDC"), True),
        (entry("币安人生USDT", "币安人生"), True),
        (entry("BTCUPUSDT", "BTCUP", permissions=["LEVERAGED"]), False),
        (entry("BTCUPUSDT", "BTCUP", permissionSets=[["SPOT"], ["MARGIN", "LEVERAGED"]]), False),
        (entry("BTCUPUSDT", "BTCUP", isSpotTradingAllowed=False), False),
        (entry("BTCEUR", "BTC", quoteAsset="EUR"), False),
        (entry("USDTTRY", "USDT", quoteAsset="TRY"), False),
    ],
)
def test_what_the_exchange_says_of_a_symbol_decides_and_not_parts_of_its_name(item, expected):
    assert expected is TETHER.admits(parse_listings({"symbols": [item]})[0])


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("TRADING", "trading"),
        ("HALT", "halt"),
        ("BREAK", "break"),
        ("CANCEL_ONLY", "cancel_only"),
        ("END_OF_DAY", "absent"),
        ("NEW", "absent"),
    ],
)
def test_every_status_of_the_exchange_is_one_of_ours(told, expected):
    assert expected == parse_listings({"symbols": [entry("AUSDT", "A", status=told)]})[0].status


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", STABLE_BASES),
        ("  ", STABLE_BASES),
        ("none", frozenset()),
        ("USDC", {"USDC"}),
        ("USDC, 币安人生,1INCH", {"USDC", "币安人生", "1INCH"}),
    ],
)
def test_an_operator_may_say_which_bases_are_left_out(text, expected):
    assert expected == excluded_bases(text)


@pytest.mark.parametrize("text", ["usdc", "USDC FDUSD", "USDC,,FDUSD", ","])
def test_what_cannot_be_a_list_of_assets_is_refused_with_what_to_write(text):
    with pytest.raises(RefusedError, match=r"FEEDER_EXCLUDE_BASES.*USDC,FDUSD"):
        excluded_bases(text)


def test_at_first_sight_the_largest_comes_first_and_names_decide_ties():
    volumes = {"A": 1.0, "B": 3.0, "C": 3.0, "D": 2.0}
    assert ["B", "C", "D", "A", "E"] == ranked([], ["E", "D", "C", "B", "A"], volumes)


@pytest.mark.parametrize(("volume", "expected"), [(2.2, "ABC"), (2.21, "ACB"), (4.4, "ACB"), (4.41, "CAB")])
def test_a_symbol_overtakes_its_neighbour_only_with_over_a_tenth_more_volume(volume, expected):
    assert list(expected) == ranked("ABC", [], {"A": 4.0, "B": 2.0, "C": volume})


def test_neighbours_whose_volumes_waver_do_not_change_places():
    order, volumes = ["A", "B"], {"A": 100.0, "B": 95.0}
    for wavering in (104.0, 96.0, 109.0, 91.0):
        order = ranked(order, [], volumes | {"B": wavering})
        assert ["A", "B"] == order


def test_a_new_symbol_is_put_where_its_volume_belongs():
    assert ["A", "N", "B"] == ranked(["A", "B"], ["N"], {"A": 3.0, "N": 2.01, "B": 2.0})


class ToldExchange:
    """What REST would answer."""

    def __init__(self):
        self.statuses = {}
        self.volumes = {}

    def lists(self, status=SymbolStatus.TRADING, **volumes):
        for name, volume in volumes.items():
            self.statuses[f"{name}USDT"] = status
            self.volumes[f"{name}USDT"] = volume

    async def server_time(self):
        return TimeSample(1_767_225_600_000, 0.0, 0.1)

    async def listings(self):
        return tuple(
            ListedSymbol(symbol, symbol.removesuffix("USDT"), "USDT", status, is_spot=True, is_leveraged=False)
            for symbol, status in self.statuses.items()
        )

    async def tickers(self):
        return [TickerEvent(symbol, 1_767_225_600_000, (1, 1, 1, 1, 1, volume)) for symbol, volume in self.volumes.items()]


class Pool:
    """What is followed now."""

    def follow(self, symbols):
        self.symbols = list(symbols)


class Market2:
    """A universe over a store, with a client that hears of everything."""

    def __init__(self):
        statistics = FeederStatistics()
        self.rest, self.store, self.pool = ToldExchange(), CandleStore(), Pool()
        self.broadcast = Broadcast(self.store, Market.SIMULATED, statistics, lambda: Status(as_of=0, age=0.0, behind=0), queue_limit=2**20)
        self.intake = Intake(self.store, statistics)
        self.universe = Universe(self.store, self.intake, self.broadcast, self.pool, TETHER)
        self.client = self.broadcast.join()
        self.heard()

    async def refresh(self):
        await self.universe.refresh(self.rest)

    def heard(self):
        """The kinds of messages since the last time."""
        messages = []
        while (raw := self.client.take()) is not None:
            messages.append(decode(raw))
        return [type(message) for message in messages]

    def statuses(self):
        return {symbol: SYMBOL_STATUSES[code] for symbol, code in zip(self.store.symbols, self.store.status.tolist(), strict=True)}

    def ranking(self):
        return sorted(self.store.symbols, key=lambda symbol: self.store.rank[self.store.rows[symbol]])


@pytest.fixture
def market():
    made = Market2()
    made.rest.lists(A=3.0, B=2.0, C=1.0)
    return made


async def test_what_trades_joins_and_is_received_and_told_to_clients(market):
    market.rest.lists(SymbolStatus.BREAK, D=9.0)
    await market.refresh()
    assert ("AUSDT", "BUSDT", "CUSDT") == market.store.symbols
    assert ["AUSDT", "BUSDT", "CUSDT"] == market.pool.symbols == market.ranking()
    assert [Symbols, Listing] == market.heard()
    await market.refresh()
    assert [] == market.heard()


async def test_a_new_listing_gets_a_row_and_its_rank(market, caplog):
    caplog.set_level("INFO", logger="feeder.universe")
    await market.refresh()
    market.rest.lists(币安人生=2.5)
    await market.refresh()
    assert ["AUSDT", "币安人生USDT", "BUSDT", "CUSDT"] == market.ranking()
    assert "币安人生USDT" == market.store.symbols[3] == market.pool.symbols[3]
    assert "1 symbols join: 币安人生USDT" == caplog.messages[-1]


@pytest.mark.parametrize("status", [SymbolStatus.BREAK, SymbolStatus.HALT, SymbolStatus.CANCEL_ONLY, None])
async def test_a_symbol_that_no_longer_trades_is_marked_and_not_received_until_it_returns(market, status, caplog):
    caplog.set_level("INFO", logger="feeder.universe")
    await market.refresh()
    market.heard()
    if status:
        market.rest.lists(status, A=3.0)
    else:
        del market.rest.statuses["AUSDT"]
    await market.refresh()
    marked = status or SymbolStatus.ABSENT
    assert {"AUSDT": marked, "BUSDT": SymbolStatus.TRADING, "CUSDT": SymbolStatus.TRADING} == market.statuses()
    assert ["BUSDT", "CUSDT"] == market.pool.symbols
    assert ["BUSDT", "CUSDT", "AUSDT"] == market.ranking()
    assert [Listing] == market.heard()
    market.rest.lists(A=3.0)
    await market.refresh()
    assert {SymbolStatus.TRADING} == set(market.statuses().values())
    assert ["AUSDT", "BUSDT", "CUSDT"] == market.pool.symbols == market.ranking()
    assert [f"AUSDT leaves: {marked}, it was trading", f"AUSDT returns: trading, it was {marked}"] == caplog.messages[-2:]


async def test_a_reply_with_few_symbols_is_believed_only_when_it_is_repeated(market):
    await market.refresh()
    market.rest.statuses = {"AUSDT": SymbolStatus.TRADING}
    await market.refresh()
    assert {SymbolStatus.TRADING} == set(market.statuses().values())
    await market.refresh()
    assert ["AUSDT"] == market.pool.symbols
    assert SymbolStatus.ABSENT is market.statuses()["CUSDT"]


async def test_doubt_ends_with_a_reply_that_makes_sense(market):
    await market.refresh()
    whole = dict(market.rest.statuses)
    for _ in range(3):
        market.rest.statuses = {}
        await market.refresh()
        market.rest.statuses = whole
        await market.refresh()
        assert ["AUSDT", "BUSDT", "CUSDT"] == market.pool.symbols


async def test_a_halt_of_the_whole_market_is_believed_when_it_is_repeated(market):
    await market.refresh()
    market.rest.lists(SymbolStatus.HALT, A=3.0, B=2.0, C=1.0)
    await market.refresh()
    await market.refresh()
    assert {SymbolStatus.HALT} == set(market.statuses().values())
    assert [] == market.pool.symbols
    await market.refresh()
    assert {SymbolStatus.HALT} == set(market.statuses().values())


async def test_an_exchange_where_nothing_can_be_traded_is_an_outage_at_the_start(market):
    market.rest.statuses = {}
    with pytest.raises(UnavailableError, match="no tradable symbol against USDT"):
        await market.refresh()


async def test_many_symbols_that_join_at_once_are_told_by_their_number_and_some_names(market, caplog):
    caplog.set_level("INFO", logger="feeder.universe")
    market.rest.lists(**{f"N{number:02}": 1.0 for number in range(NAMES_LOGGED)})
    await market.refresh()
    assert caplog.messages[-1].startswith("23 symbols join: AUSDT, BUSDT, CUSDT, N00USDT")
    assert caplog.messages[-1].endswith(" and 3 more")


async def test_the_order_of_before_holds_where_volumes_hardly_differ(market):
    await market.refresh()
    market.rest.volumes |= {"BUSDT": 3.2, "CUSDT": 2.9}
    await market.refresh()
    assert ["AUSDT", "BUSDT", "CUSDT"] == market.ranking()
    market.rest.volumes |= {"CUSDT": 3.6}
    await market.refresh()
    assert ["CUSDT", "AUSDT", "BUSDT"] == market.ranking()
