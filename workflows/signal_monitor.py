"""Follows one signal until it expires. It outlives its trader's runs, and frees its place at the trader when it ends."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.signals import SET_STATUS, SetSignalStatusInput
    from domain.signals import SignalStatus
    from workflows import ids, policies
    from workflows.contracts import SignalMonitorInput
    from workflows.inputs import reason_of


@workflow.defn(name=ids.SIGNAL_MONITOR)
class SignalMonitorWorkflow:
    """One signal, from new to its end."""

    @workflow.init
    def __init__(self, signal: SignalMonitorInput) -> None:
        self._signal = signal
        self._status = SignalStatus.NEW
        self._stopped = ""

    @workflow.run
    async def run(self, signal: SignalMonitorInput) -> SignalStatus:
        """Monitor until the signal expires or is closed; its last status."""
        try:
            await self._follow(signal)
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                self._stopped = "canceled by an operator"
                await self._end(SignalStatus.CLOSED)
            raise
        return self._status

    async def _follow(self, signal: SignalMonitorInput) -> None:
        await self._become(SignalStatus.MONITORING)
        try:
            await workflow.wait_condition(
                lambda: bool(self._stopped),
                timeout=max(timedelta(seconds=1), signal.expires_at - workflow.now()),
                timeout_summary=f"{signal.symbol} expires",
            )
        except TimeoutError:
            await self._end(SignalStatus.EXPIRED)
        else:
            await self._end(SignalStatus.CLOSED)

    async def _end(self, status: SignalStatus) -> None:
        await self._become(status)
        await self._tell_trader()
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.signal(description="Stop following this signal. Works without input; a reason may be given.")
    def stop(self, *said: object) -> None:
        """Stop following this signal."""
        self._stopped = reason_of(said) or "stopped"

    @workflow.query(description="What became of the signal so far.")
    def status(self) -> SignalStatus:
        """What became of the signal so far."""
        return self._status

    async def _become(self, status: SignalStatus) -> None:
        self._status = status
        ended = status is not SignalStatus.MONITORING
        workflow.set_current_details(
            f"## {status}{f' — {self._stopped}' if self._stopped else ''}\n\n"
            f"{self._signal.symbol} {self._signal.interval} · expires {self._signal.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        try:
            await workflow.execute_activity(
                SET_STATUS,
                SetSignalStatusInput(signal_id=self._signal.signal_id, status=status, closed_at=workflow.now() if ended else None),
                start_to_close_timeout=policies.STORE_START_TO_CLOSE,
                retry_policy=policies.PERSISTENT,
                summary=f"{self._signal.symbol} {status}",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("the signal's row is gone: %s", error.cause)  # deleted with its trader; nothing left to follow
            self._stopped = "the signal was deleted"

    async def _tell_trader(self) -> None:
        handle = workflow.get_external_workflow_handle(ids.trader_workflow_id(self._signal.trader_id))
        with suppress(ApplicationError):  # the trader may have been stopped
            await handle.signal("monitor_closed", str(self._signal.signal_id))
