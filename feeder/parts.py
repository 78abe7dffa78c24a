"""What the feeder consists of, for those who only read it: its pages, its metrics and its conditions."""

from dataclasses import dataclass

from adapters.binance.weight import WeightLimiter
from adapters.candle_store import CandleStore
from domain.market import Market
from feeder.audit import Audit
from feeder.backfill import BackfillProgress
from feeder.broadcast import Broadcast
from feeder.conditions import Conditions
from feeder.exchange_clock import ExchangeClock
from feeder.intake import Intake
from feeder.persistence import Persistence
from feeder.pool import ConnectionPool
from feeder.repairs import RepairQueue
from feeder.statistics import FeederStatistics


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One feeder's parts."""

    market: Market
    store: CandleStore
    intake: Intake
    broadcast: Broadcast
    pool: ConnectionPool
    repairs: RepairQueue
    backfill: BackfillProgress
    limiter: WeightLimiter
    clock: ExchangeClock
    persistence: Persistence | None
    audit: Audit
    conditions: Conditions
    statistics: FeederStatistics
