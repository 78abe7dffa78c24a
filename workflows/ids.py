"""Names that Temporal knows things by. Deterministic IDs are the lock against doubles."""

from uuid import UUID

from temporalio.common import SearchAttributeKey

TRADER = "trader"
INSTANCE = "instance"
SIGNAL_MONITOR = "signal-monitor"

TRADERS_QUEUE = "traders"
"""Workflow tasks and the activities that only need the database."""
MARKET_QUEUE = "market"
"""Screening windows: workers that hold a replica of the market."""

TRADER_ID = SearchAttributeKey.for_keyword("TraderId")
USER_ID = SearchAttributeKey.for_keyword("UserId")
TIER = SearchAttributeKey.for_keyword("Tier")
TRADER_STATUS = SearchAttributeKey.for_keyword("TraderStatus")
SYMBOL = SearchAttributeKey.for_keyword("Symbol")
MODE = SearchAttributeKey.for_keyword("Mode")

SEARCH_ATTRIBUTES = (TRADER_ID, USER_ID, TIER, TRADER_STATUS, SYMBOL, MODE)
"""All search attributes there are; `make up`, compose and `cloudtrader search-attributes register` read this list."""


def trader_workflow_id(trader_id: UUID) -> str:
    """One trader, one workflow."""
    return f"trader:{trader_id}"


def instance_workflow_id(user_id: UUID) -> str:
    """One user, one instance."""
    return f"instance:{user_id}"


def signal_monitor_workflow_id(signal_id: UUID) -> str:
    """One signal, one monitor."""
    return f"monitor:{signal_id}"
