"""The market survives in a file that is either whole or refused, whatever ends its writer."""

import asyncio

import numpy as np
import pytest

from adapters.binance.rest import BinanceRest
from adapters.candle_store import CANDLE, CLOSED, CORRECTED, FROM_REST, INTERVALS, CandleStore
from adapters.tickers import TICKER
from domain.errors import RefusedError
from domain.market import HISTORY_BLOCK, Market
from feeder.intake import Intake
from feeder.persistence import Origin, Persistence
from feeder.snapshot_file import SnapshotError, SnapshotWriter, read_records
from feeder.statistics import FeederStatistics

FIRST = 100 * HISTORY_BLOCK
HERE = Origin(Market.SIMULATED, "USDT", "http://127.0.0.1:1")
RECORDS = [b"header", b"x" * 100, b"the last"]
AWAY = "http://127.0.0.1:1"


def written(path, *records):
    writer = SnapshotWriter(path)
    for record in records:
        writer.add(record)
    writer.commit()
    return path


def test_a_file_gives_back_its_records(tmp_path):
    assert RECORDS == list(read_records(written(tmp_path / "market", *RECORDS)))
    assert ["market"] == [path.name for path in tmp_path.iterdir()]


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = written(tmp_path / "market", *RECORDS)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotError):
            list(read_records(path))


def test_a_file_with_any_byte_changed_is_refused(tmp_path):
    path = written(tmp_path / "market", *RECORDS)
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x40]) + whole[position + 1 :])
        with pytest.raises(SnapshotError):
            list(read_records(path))


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = written(tmp_path / "market", b"old")
    writer = SnapshotWriter(path)
    writer.add(b"new")
    assert [b"old"] == list(read_records(path))
    writer.discard()
    assert [b"old"] == list(read_records(written(path, b"old")))
    assert ["market"] == [path.name for path in tmp_path.iterdir()]


def test_what_a_killed_writer_left_is_in_nobodys_way(tmp_path):
    killed = SnapshotWriter(tmp_path / "market")
    killed.add(b"half")
    written(tmp_path / "market", b"whole")
    assert [b"whole"] == list(read_records(tmp_path / "market"))


class Home:
    """A feeder's market without its sockets, and the file that keeps it."""

    def __init__(self, path, origin=HERE):
        self.store = CandleStore()
        self.statistics = FeederStatistics()
        self.intake = Intake(self.store, self.statistics)
        self.persistence = Persistence(path, origin, self.store, self.intake, self.statistics)

    async def restored(self):
        async with BinanceRest(AWAY) as rest:
            await self.persistence.restore(rest)
        return self


def contents(store):
    frames = {
        interval: (
            frame.first_index,
            np.nan_to_num(frame.values, nan=-1).tobytes(),
            *(matrix.tobytes() for matrix in (frame.flags, frame.event_time, frame.begin, frame.as_of, frame.closed_from)),
            frame.closed_through.tolist(),
        )
        for interval, frame in store.frames.items()
    }
    return store.symbols, store.rows, store.status.tolist(), store.rank.tolist(), store.tickers.records().tobytes(), frames


def with_market(home, symbols=70):
    """A market of more symbols than go into one record, one of them not ASCII, with holes and every kind of flag."""
    random = np.random.default_rng(7)
    home.store.append(("币安人生USDT", *(f"S{number}USDT" for number in range(1, symbols))))
    candles = np.zeros(20_000, CANDLE)
    candles["row"], candles["interval"] = random.integers(0, symbols, 20_000), random.integers(0, 6, 20_000)
    candles["index"] = FIRST + random.integers(-500, 200, 20_000)
    candles["flags"] = random.choice([0, CLOSED, CLOSED | FROM_REST, CLOSED | CORRECTED], 20_000)
    candles["event_time"], candles["close"] = candles["index"] * 60_000, random.random(20_000)
    home.store.apply(candles)
    for interval in INTERVALS:
        home.store.frame(interval).set_begin(np.arange(0, symbols, 2), np.full(symbols // 2, FIRST))
    home.store.set_listing(random.integers(0, 5, symbols).astype(np.uint8), random.permutation(symbols).astype(np.uint16))
    home.store.tickers.apply(np.array([(3, 1, 1, 2, 3, 4, 5, 6), (30, 2, 1, 2, 3, 4, 5, 6)], TICKER))
    home.intake.note_time(FIRST * 60_000)
    return home


async def test_everything_is_as_it_was_after_a_restart(tmp_path):
    old = with_market(Home(tmp_path / "market"))
    await old.persistence.save()
    new = await Home(tmp_path / "market").restored()
    assert contents(old.store) == contents(new.store)
    assert old.intake.as_of == new.intake.as_of
    assert 1 == old.statistics.market_saves


async def test_the_time_that_the_feeder_was_away_counts_to_the_age_of_its_market(tmp_path):
    old = with_market(Home(tmp_path / "market"))
    old.intake.restore(FIRST * 60_000, 100.0)
    await old.persistence.save()
    await asyncio.sleep(0.2)
    assert 100.2 <= (await Home(tmp_path / "market").restored()).intake.age() < 130


async def test_a_market_that_moves_while_it_is_saved_is_saved_whole(tmp_path):
    home = with_market(Home(tmp_path / "market"))
    saving = asyncio.ensure_future(home.persistence.save())
    records = np.zeros(1, CANDLE)
    for index in range(FIRST + 300, FIRST + 310):
        records["row"], records["flags"], records["index"], records["event_time"] = index % 70, CLOSED, index, index * 60_000
        home.store.append((f"NEW{index}USDT",))
        home.store.apply(records)
        await asyncio.sleep(0.001)
    await saving
    new = await Home(tmp_path / "market").restored()
    assert home.store.symbols[:70] == new.store.symbols[:70]
    for interval in INTERVALS[1:]:
        before, after = home.store.frame(interval), new.store.frame(interval)
        assert before.flags[:70].tobytes() == after.flags[:70].tobytes()


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (Origin(Market.BINANCE, "USDT", "http://127.0.0.1:1"), "its market is simulated, not binance"),
        (Origin(Market.SIMULATED, "BTC", "http://127.0.0.1:1"), "its quote asset is USDT, not BTC"),
        (Origin(Market.SIMULATED, "USDT", "http://127.0.0.1:2"), "its source is http://127.0.0.1:1, not http://127.0.0.1:2"),
    ],
)
async def test_a_file_of_another_market_is_ignored_and_said(tmp_path, caplog, origin, said):
    await with_market(Home(tmp_path / "market")).persistence.save()
    new = await Home(tmp_path / "market", origin).restored()
    assert () == new.store.symbols
    assert said in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: b"cloudtrader market 0\n" + raw[21:],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:-8],
        lambda raw: raw[: len(raw) // 2] + b"\x00\x01" + raw[len(raw) // 2 + 2 :],
    ],
    ids=["empty", "of another version", "half", "without its end", "damaged"],
)
async def test_a_damaged_file_is_ignored_in_one_line_and_replaced_by_the_next(tmp_path, caplog, damage):
    path = tmp_path / "market"
    old = with_market(Home(path))
    await old.persistence.save()
    path.write_bytes(damage(path.read_bytes()))
    new = await Home(path).restored()
    assert ((), 0) == (new.store.symbols, new.intake.as_of)
    assert 1 == sum("is ignored" in record.getMessage() for record in caplog.records)
    await old.persistence.save()
    assert old.store.symbols == (await Home(path).restored()).store.symbols


async def test_a_file_of_another_protocol_is_ignored(tmp_path, caplog):
    path = tmp_path / "market"
    await with_market(Home(path)).persistence.save()
    records = list(read_records(path))
    written(path, records[0], records[1].replace(b'"protocol":3', b'"protocol":1'), *records[2:])
    assert () == (await Home(path).restored()).store.symbols
    assert "is ignored" in caplog.text


async def test_without_a_file_a_feeder_starts_with_nothing(tmp_path, caplog):
    assert () == (await Home(tmp_path / "market").restored()).store.symbols
    assert [] == caplog.records


async def test_nothing_is_saved_before_there_are_symbols(tmp_path):
    await Home(tmp_path / "market").persistence.save()
    assert [] == list(tmp_path.iterdir())


async def test_a_disk_that_refuses_is_told_and_the_feeder_goes_on(tmp_path, caplog):
    folder = tmp_path / "state"
    folder.mkdir()
    home = with_market(Home(folder / "market"))
    folder.rmdir()
    await home.persistence.save()
    assert "cannot be written" in caplog.text
    assert 0 == home.statistics.market_saves


def test_a_directory_that_is_not_there_is_refused_at_the_start(tmp_path):
    with pytest.raises(RefusedError, match=r"there is no directory .*nowhere"):
        Home(tmp_path / "nowhere" / "market")


async def test_a_save_that_is_cancelled_leaves_the_old_file_and_the_next_one_works(tmp_path):
    home = with_market(Home(tmp_path / "market"), symbols=40)
    await home.persistence.save()
    for turns in (0, 1, 3, 5, 10, 20, 30, 40):
        saving = asyncio.ensure_future(home.persistence.save())
        for _ in range(turns):
            await asyncio.sleep(0)
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
        assert home.store.symbols == (await Home(tmp_path / "market").restored()).store.symbols
    await home.persistence.save()
    assert contents(home.store) == contents((await Home(tmp_path / "market").restored()).store)


async def test_saving_four_hundred_symbols_never_holds_up_the_loop_for_long(tmp_path):
    home = with_market(Home(tmp_path / "market"), symbols=400)
    await home.persistence.save()
    assert home.statistics.longest_save_pause < 0.2
