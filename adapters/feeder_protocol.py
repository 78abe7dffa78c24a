"""What the feeder tells its clients: messages of a JSON header and a packed little-endian payload. See docs/feeder-protocol.md."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from adapters.candle_store import CANDLE, INTERVAL_CODES, INTERVALS, VALUES, CandleBlock, Records
from adapters.tickers import TICKER
from domain.market import Interval, Market

PROTOCOL = 3
PATH = "/market"
HEARTBEATS_PATH = "/heartbeats"
"""Here a client gets a hello without symbols and then nothing but heartbeats: enough to choose between feeders."""
_LENGTH_BYTES = 4
ROW_BEGIN = np.dtype([("interval", "u1"), ("row", "<u2"), ("begin", "<i8")])
"""The index where a row's unbroken history begins; -1 while it is unknown."""

LISTED = np.dtype([("status", "u1"), ("rank", "<u2")])
"""What the exchange's list says of one row."""


class ProtocolError(Exception):
    """The other side does not keep to the protocol, or messages are missing."""


@dataclass(frozen=True, slots=True)
class Status:
    """How fresh the feeder's data was when a message was made. Times in epoch milliseconds, age in milliseconds."""

    as_of: int
    """The newest event time of the exchange; 0 before any."""
    age: float
    """Since the exchange last sent anything."""
    behind: int
    """Histories (a symbol's candles of one interval) that lack a candle that has closed."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message: who speaks, and which symbol stands in which row."""

    seq: int
    epoch: str
    market: Market
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SnapshotChunk:
    """Some rows of one interval, from row `first_row` on; `last` says that the interval is whole."""

    seq: int
    interval: Interval
    first_row: int
    last: bool
    block: CandleBlock


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles that arrived. `received_at` is the wall clock (epoch seconds) when the oldest of them reached the feeder."""

    seq: int
    status: Status
    received_at: float
    records: Records


@dataclass(frozen=True, slots=True)
class Tickers:
    """Tickers that arrived (dtype TICKER)."""

    seq: int
    status: Status
    records: Records


@dataclass(frozen=True, slots=True)
class TickerSnapshot:
    """Every ticker known (dtype TICKER). It ends the snapshot."""

    seq: int
    records: Records


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows whose history begins elsewhere now (dtype ROW_BEGIN)."""

    seq: int
    status: Status
    records: Records


@dataclass(frozen=True, slots=True)
class Symbols:
    """Symbols that were appended as new rows."""

    seq: int
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """What the exchange's list says of every row: its status (a position in SYMBOL_STATUSES) and its rank by 24 h quote volume."""

    seq: int
    status: Status
    statuses: NDArray[np.uint8]
    ranks: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent every second."""

    seq: int
    status: Status


Message = Hello | SnapshotChunk | TickerSnapshot | Candles | Tickers | Rows | Symbols | Listing | Heartbeat


def encode(message: Message) -> bytes:
    """The bytes of one message."""
    match message:
        case Hello(seq, epoch, market, symbols):
            return _pack("hello", seq, {"protocol": PROTOCOL, "epoch": epoch, "market": market.value, "symbols": symbols})
        case SnapshotChunk():
            return _pack_snapshot(message)
        case TickerSnapshot(seq, records):
            return _pack("ticker_snapshot", seq, {}, records)
        case Candles(seq, status, received_at, records):
            return _pack("candles", seq, {**_status_fields(status), "received_at": received_at}, records)
        case Tickers(seq, status, records):
            return _pack("tickers", seq, _status_fields(status), records)
        case Rows(seq, status, records):
            return _pack("rows", seq, _status_fields(status), records)
        case Symbols(seq, symbols):
            return _pack("symbols", seq, {"symbols": symbols})
        case Listing(seq, status, statuses, ranks):
            return _pack("listing", seq, _status_fields(status), _listed(statuses, ranks))
        case Heartbeat(seq, status):
            return _pack("heartbeat", seq, _status_fields(status))


def decode(raw: bytes) -> Message:
    """The message in these bytes. Raises ProtocolError. Arrays are views of `raw`."""
    try:
        start = _LENGTH_BYTES + int.from_bytes(raw[:_LENGTH_BYTES], "little")
        return _parse(orjson.loads(raw[_LENGTH_BYTES:start]), memoryview(raw)[start:])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ProtocolError(f"A message of the feeder cannot be read: {error}") from error


def _parse(header: dict[str, Any], payload: memoryview) -> Message:
    seq = header["seq"]
    match header["type"]:
        case "hello":
            return _parse_hello(header)
        case "snapshot":
            return _parse_snapshot(header, payload)
        case "ticker_snapshot":
            return TickerSnapshot(seq, np.frombuffer(payload, TICKER))
        case "symbols":
            return Symbols(seq, tuple(header["symbols"]))
        case kind:
            return _parse_change(kind, header, payload)


def _parse_hello(header: dict[str, Any]) -> Hello:
    if header["protocol"] != PROTOCOL:
        raise ProtocolError(f"The feeder speaks protocol {header['protocol']}, this worker {PROTOCOL}: run the same version of both")
    return Hello(header["seq"], header["epoch"], Market(header["market"]), tuple(header["symbols"]))


def _parse_change(kind: str, header: dict[str, Any], payload: memoryview) -> Message:
    seq, status = header["seq"], Status(header["as_of"], header["age"], header["behind"])
    match kind:
        case "candles":
            return Candles(seq, status, header["received_at"], np.frombuffer(payload, CANDLE))
        case "tickers":
            return Tickers(seq, status, np.frombuffer(payload, TICKER))
        case "rows":
            return Rows(seq, status, np.frombuffer(payload, ROW_BEGIN))
        case "listing":
            listed = np.frombuffer(payload, LISTED)
            return Listing(seq, status, listed["status"], listed["rank"])
        case "heartbeat":
            return Heartbeat(seq, status)
        case _:
            raise ProtocolError(f"The feeder sent an unknown message {kind!r}")


def _pack(kind: str, seq: int, fields: dict[str, Any], *arrays: np.ndarray[Any, Any]) -> bytes:
    header = orjson.dumps({"type": kind, "seq": seq, **fields})
    header += b" " * (-(_LENGTH_BYTES + len(header)) % 8)  # the payload starts aligned for float64
    return b"".join((len(header).to_bytes(_LENGTH_BYTES, "little"), header, *(array.tobytes() for array in arrays)))


def _pack_snapshot(chunk: SnapshotChunk) -> bytes:
    block = chunk.block
    fields = {
        "interval": INTERVAL_CODES[chunk.interval],
        "first_row": chunk.first_row,
        "last": chunk.last,
        "first_index": block.first_index,
        "start_index": block.start_index,
        "rows": block.flags.shape[0],
        "columns": block.flags.shape[1],
    }
    return _pack("snapshot", chunk.seq, fields, block.values, block.event_time, block.begin, block.as_of, block.flags)


def _parse_snapshot(header: dict[str, Any], payload: memoryview) -> SnapshotChunk:
    rows, columns = header["rows"], header["columns"]
    cells = rows * columns
    sizes = (8 * len(VALUES) * cells, 8 * cells, 8 * rows, 8 * rows, cells)
    values, event_time, begin, as_of, flags = (payload[end - size : end] for size, end in zip(sizes, np.cumsum(sizes), strict=True))
    block = CandleBlock(
        first_index=header["first_index"],
        start_index=header["start_index"],
        values=np.frombuffer(values, "<f8").reshape(len(VALUES), rows, columns),
        event_time=np.frombuffer(event_time, "<i8").reshape(rows, columns),
        flags=np.frombuffer(flags, np.uint8).reshape(rows, columns),
        begin=np.frombuffer(begin, "<i8"),
        as_of=np.frombuffer(as_of, "<i8"),
    )
    return SnapshotChunk(header["seq"], INTERVALS[header["interval"]], header["first_row"], header["last"], block)


def _listed(statuses: NDArray[np.uint8], ranks: NDArray[np.uint16]) -> Records:
    records = np.empty(len(statuses), LISTED)
    records["status"], records["rank"] = statuses, ranks
    return records


def _status_fields(status: Status) -> dict[str, Any]:
    return {"as_of": status.as_of, "age": status.age, "behind": status.behind}
