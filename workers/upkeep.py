"""What somebody must do daily, and any worker may: the days of the execution log."""

import asyncio
import logging
from datetime import timedelta

from adapters.supabase.executions import SupabaseExecutionLog
from domain.errors import CloudtraderError

logger = logging.getLogger(__name__)

DAYS_AHEAD = 3
DAYS_KEPT = 14
EVERY = timedelta(hours=6)
AFTER_FAILURE = timedelta(minutes=2)


async def keep_execution_days(log: SupabaseExecutionLog) -> None:
    """Make the days to come and drop old ones, until cancelled. Doing it twice, or from several workers, changes nothing."""
    while True:
        try:
            made, dropped = await log.keep_days(DAYS_AHEAD, DAYS_KEPT)
        except CloudtraderError as error:
            logger.warning("the execution log's days were not kept, trying again", extra={"error": str(error)})
            await asyncio.sleep(AFTER_FAILURE.total_seconds())
        else:
            logger.info("kept the execution log's days", extra={"made": made, "dropped": dropped})
            await asyncio.sleep(EVERY.total_seconds())
