"""The trader: one endless workflow per deployed trader. It decides; its screening windows look.

Guarantees: pause, resume and stop take effect at once, here, whatever a window still returns; every candle a window evaluated is either in
`state.progress` or evaluated anew; a signal is recorded before the progress that produced it is kept.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.screening import CHECK, WATCH, CheckInput, Ended, WindowInput, WindowResult
    from activities.signals import RECORD, RecordSignalsInput, RecordSignalsResult
    from activities.traders import SET_STATUS, SetTraderStatusInput
    from domain.screening import Match, Progress
    from domain.signals import signal_id
    from domain.tiers import TierLimits
    from domain.traders import TraderStatus
    from workflows import ids, policies
    from workflows.contracts import RunNowResult, SignalMonitorInput, TraderConfig, TraderInput, TraderReport
    from workflows.failures import message_of, refusal_of
    from workflows.inputs import reason_of
    from workflows.story import story_of, summary_of
    from workflows.trader_state import absorbed, forgiven, oddities_of, rebased, refuse_takeover, report_of, with_event, with_signals

ENDED = (TraderStatus.STOPPED,)


@workflow.defn(name=ids.TRADER)
class TraderWorkflow:
    """A deployed trader."""

    @workflow.init
    def __init__(self, start: TraderInput) -> None:
        self.config = start.config
        self.state = start.state if start.state.since else replace(start.state, since=workflow.now())
        self._window: workflow.ActivityHandle[WindowResult] | None = None
        self._has_ended_window = False
        self._generation = 0
        """Grows with everything that makes a running window's result worthless."""
        self._windows_in_run = 0
        self._tick_once = False
        self._ticked_once: RunNowResult | None = None

    @workflow.run
    async def run(self, start: TraderInput) -> TraderReport:  # noqa: ARG002  (taken by __init__, which must have the same parameters)
        """Screen until stopped."""
        self._show()
        try:
            await self._live()
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                self._become(TraderStatus.STOPPED, "canceled by an operator")
                await self._record_status()
            raise
        return self.status()

    async def _live(self) -> None:
        while True:
            await self._record_status()
            if self.state.status in ENDED:
                break
            if self.state.status is TraderStatus.RUNNING:
                await self._screen()
            else:
                self._tick_once = False  # who asked for it was refused
                await workflow.wait_condition(self._has_something_to_do)
            if self._should_continue_as_new():
                # Whoever waits for a tick gets it in this run; then the run ends.
                await workflow.wait_condition(lambda: self._tick_once or workflow.all_handlers_finished())
                if self.state.status not in ENDED and not self._tick_once:  # a message may have come while the handlers finished
                    self._continue_as_new()
        await workflow.wait_condition(workflow.all_handlers_finished)

    # Messages. All Temporal signals work without input, from the Web UI, tctl and temporal alike.

    @workflow.signal(description="Stop looking, keep everything. Works without input; a reason may be given.")
    def pause(self, *said: object) -> None:
        """Stop looking, keep everything."""
        if self.state.status is TraderStatus.RUNNING:
            self._become(TraderStatus.PAUSED, reason_of(said))

    @workflow.signal(description="Look again, from now on. Also ends an error. Works without input; a reason may be given.")
    def resume(self, *said: object) -> None:
        """Look again, from now on: what happened while paused is not made up for."""
        if self.state.status in (TraderStatus.PAUSED, TraderStatus.ERROR):
            self.state = replace(forgiven(self.state), progress=Progress())
            self._become(TraderStatus.RUNNING, reason_of(said))

    @workflow.signal(description="End the trader. Works without input; a reason may be given.")
    def stop(self, *said: object) -> None:
        """End the trader. Signals being monitored are followed to their end."""
        self._become(TraderStatus.STOPPED, reason_of(said))

    @workflow.signal(description="Sent by a signal's monitor when it ends.")
    def monitor_closed(self, *said: object) -> None:
        """A monitor ended; its place is free."""
        self.state = replace(self.state, open_monitors=tuple(held for held in self.state.open_monitors if str(held) not in said))

    @workflow.update(description="Take over a newer version of the trader's settings, once they are found good.")
    async def update_config(self, config: TraderConfig) -> int:
        """Take over new settings; the version now in force. What already matches under them is not reported as new."""
        await self._check(config)
        changed_grid = config.settings.filter.interval is not self.config.settings.filter.interval
        self.config = config
        self.state = replace(
            forgiven(self.state), progress=Progress() if changed_grid else rebased(self.state.progress, config.settings.filter.trigger)
        )
        self._become(TraderStatus.RUNNING if self.state.status is TraderStatus.ERROR else self.state.status, self.state.reason)
        self._note(f"took over version {config.version}")
        return config.version

    @update_config.validator
    def _validate_config(self, config: TraderConfig) -> None:
        refuse_takeover(self.config, config)

    @workflow.update(description="Take over what the owner's tier allows now.")
    def set_limits(self, limits: TierLimits) -> None:
        """Take over new limits; a cadence that has become too fast slows down."""
        cadence = max(self.config.settings.cadence, limits.fastest_cadence)
        self.config = replace(self.config, limits=limits, settings=replace(self.config.settings, cadence=cadence))
        self._end_window()
        self._show()

    @workflow.update(description="Tick now instead of waiting for the cadence.")
    async def run_now(self) -> RunNowResult:
        """Tick once, now; what it found."""
        self._ticked_once = None
        self._tick_once = True
        self._end_window()
        await workflow.wait_condition(lambda: self._ticked_once is not None or self.state.status is not TraderStatus.RUNNING)
        if self._ticked_once is None:
            raise ApplicationError(f"The trader became {self.state.status} before it ticked.", type="RefusedError")
        return self._ticked_once

    @run_now.validator
    def _validate_run_now(self) -> None:
        if self.state.status is not TraderStatus.RUNNING:
            raise ApplicationError(f"The trader is {self.state.status}; resume it first.", type="RefusedError")

    @workflow.query(description="What the trader does, what matches, and what happened lately.")
    def status(self) -> TraderReport:
        """What the trader does now."""
        return report_of(self.config, self.state)

    # Screening.

    async def _screen(self) -> None:
        generation, tick_once = self._generation, self._tick_once
        self._windows_in_run += 1
        totals = self.state.totals
        self.state = replace(self.state, totals=replace(totals, windows=totals.windows + 1))
        self._window = self._start_window(tick_once=tick_once)
        self._has_ended_window = False
        try:
            result = await self._window
            if self._generation == generation:
                await self._take(result, tick_once=tick_once)
        except ActivityError as error:
            if workflow.cancellation_reason() is not None:
                raise
            # A window we ended ourselves says it was canceled; what it had seen is looked at again.
            if self._generation == generation and not is_cancelled_exception(error):
                self._become(TraderStatus.ERROR, message_of(error))
        except asyncio.CancelledError:
            # Messages of one workflow task can end a window before it was even sent. All else that cancels goes its way.
            if workflow.cancellation_reason() is not None or not self._has_ended_window:
                raise
        finally:
            self._window = None

    def _start_window(self, *, tick_once: bool) -> workflow.ActivityHandle[WindowResult]:
        config, limits = self.config, self.config.limits
        window = WindowInput(
            number=self.state.totals.windows,
            trader_id=config.trader_id,
            instance_id=config.instance_id,
            version=config.version,
            settings=config.settings,
            limits=limits,
            duration=policies.NO_TIME if tick_once else policies.WINDOW,
            progress=self.state.progress,
            failures_in_a_row=self.state.failures_in_a_row,
            user_id=config.user_id,
        )
        return workflow.start_activity(
            WATCH,
            window,
            result_type=WindowResult,
            activity_id=f"window-{window.number}",
            task_queue=ids.MARKET_QUEUE,
            start_to_close_timeout=policies.WINDOW_START_TO_CLOSE,
            heartbeat_timeout=limits.heartbeat_timeout,
            retry_policy=policies.PERSISTENT,
            # The workflow goes on at once; what the old window still returns is fenced by the generation.
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
            summary=f"window {window.number} · version {config.version}",
            priority=policies.priority_of(limits, config.user_id),
        )

    async def _take(self, result: WindowResult, *, tick_once: bool) -> None:
        """Record what is new, then keep the progress that came with it.

        A message may come while the signals are being recorded. They are recorded all the same; but the progress is then no longer
        the trader's: resume has begun anew, and a new version has its own baseline.
        """
        generation, config = self._generation, self.config
        new = await self._record(config, result) if result.matches else []
        self.state = with_signals(self.state, new)
        if self._generation == generation:
            self.state = absorbed(self.state, result)
            await self._monitor(config, new)
        for what in oddities_of(result):
            self._note(what)
        if result.ended is Ended.FAILED and self._generation == generation:
            self._become(TraderStatus.ERROR, f"the filter keeps failing: {result.error}")
        if tick_once:
            self._tick_once = False
            self._ticked_once = RunNowResult(
                matching=result.progress.matching, new_signals=len(new), last_tick=result.last_tick, condition=result.condition
            )
        self._show()

    async def _record(self, config: TraderConfig, result: WindowResult) -> list[Match]:
        """Write the matches; those that were not there before."""
        recorded = await workflow.execute_activity(
            RECORD,
            RecordSignalsInput(
                trader_id=config.trader_id,
                trader_version=config.version,
                user_id=config.user_id,
                interval=config.settings.filter.interval,
                market=result.market,
                matches=result.matches,
            ),
            result_type=RecordSignalsResult,
            start_to_close_timeout=policies.STORE_START_TO_CLOSE,
            retry_policy=policies.PERSISTENT,
            summary=", ".join(match.symbol for match in result.matches[:8]),
        )
        new = set(recorded.recorded)
        return [match for match in result.matches if _signal_id(config, match) in new]

    async def _monitor(self, config: TraderConfig, matches: list[Match]) -> None:
        """Start a monitor for each signal the tier has room for; the rest are counted."""
        room = max(0, config.limits.max_open_monitors - len(self.state.open_monitors))
        monitored, totals = matches[:room], self.state.totals
        self.state = replace(
            self.state,
            open_monitors=(*self.state.open_monitors, *(_signal_id(config, match) for match in monitored)),
            totals=replace(totals, unmonitored_signals=totals.unmonitored_signals + len(matches) - len(monitored)),
        )
        await asyncio.gather(*(_start_monitor(config, match) for match in monitored))

    # State.

    def _become(self, status: TraderStatus, reason: str) -> None:
        """Change the status; whatever window runs is worth nothing from here on."""
        if self.state.status in ENDED:
            return
        self._generation += 1
        self._end_window()
        if (status, reason) != (self.state.status, self.state.reason):
            self.state = replace(self.state, status=status, reason=reason, since=workflow.now())
            self._note(f"{status}{f': {reason}' if reason else ''}")
            workflow.upsert_search_attributes([ids.TRADER_STATUS.value_set(status)])
        self._show()

    def _end_window(self) -> None:
        if self._window is not None:
            self._window.cancel()
            self._has_ended_window = True

    async def _check(self, config: TraderConfig) -> None:
        try:
            await workflow.execute_activity(
                CHECK,
                CheckInput(trader_id=config.trader_id, user_id=config.user_id, settings=config.settings, limits=config.limits),
                task_queue=ids.MARKET_QUEUE,
                schedule_to_close_timeout=policies.ASK_TO_CLOSE,
                start_to_close_timeout=policies.STORE_START_TO_CLOSE,
                retry_policy=policies.PERSISTENT,
                summary=f"check version {config.version}",
            )
        except ActivityError as error:
            raise refusal_of(error) from error

    async def _record_status(self) -> None:
        """Show the status to the owner, and tell the instance. A trader whose row is gone was deleted: it stops."""
        told = (self.state.status, self.state.reason)
        if told == self.state.recorded_status:
            return
        try:
            await workflow.execute_activity(
                SET_STATUS,
                SetTraderStatusInput(
                    trader_id=self.config.trader_id,
                    status=self.state.status,
                    reason=self.state.reason,
                    since=self.state.since or workflow.now(),
                ),
                start_to_close_timeout=policies.STORE_START_TO_CLOSE,
                retry_policy=policies.PERSISTENT,
                summary=f"show {self.state.status}",
            )
        except ActivityError as error:
            if workflow.cancellation_reason() is not None and self.state.status not in ENDED:
                raise
            self._become(TraderStatus.STOPPED, f"the trader's row cannot be written: {message_of(error)}")
            told = (self.state.status, self.state.reason)
        self.state = replace(self.state, recorded_status=told)
        await self._tell_instance()

    async def _tell_instance(self) -> None:
        handle = workflow.get_external_workflow_handle(ids.instance_workflow_id(self.config.user_id))
        with suppress(ApplicationError):  # where no instance runs the row alone says it
            await handle.signal("trader_changed", args=[str(self.config.trader_id), self.state.status])

    def _has_something_to_do(self) -> bool:
        recorded = (self.state.status, self.state.reason) == self.state.recorded_status
        return self.state.status is TraderStatus.RUNNING or not recorded or self._should_continue_as_new()

    def _should_continue_as_new(self) -> bool:
        info = workflow.info()
        return (
            self._windows_in_run >= policies.WINDOWS_PER_RUN
            or info.is_continue_as_new_suggested()
            or info.is_target_worker_deployment_version_changed()
        )

    def _continue_as_new(self) -> None:
        changed = workflow.info().is_target_worker_deployment_version_changed()
        workflow.continue_as_new(
            TraderInput(config=self.config, state=self.state),
            memo={"trader": summary_of(self.config)},
            initial_versioning_behavior=workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE if changed else None,
        )

    def _note(self, what: str) -> None:
        self.state = with_event(self.state, workflow.now(), what)

    def _show(self) -> None:
        workflow.set_current_details(story_of(self.config, self.state))


def _signal_id(config: TraderConfig, match: Match) -> UUID:
    return signal_id(config.trader_id, match.symbol, config.settings.filter.interval, match.candle_open_time)


async def _start_monitor(config: TraderConfig, match: Match) -> None:
    interval = config.settings.filter.interval
    monitor = SignalMonitorInput(
        signal_id=_signal_id(config, match),
        trader_id=config.trader_id,
        user_id=config.user_id,
        symbol=match.symbol,
        interval=interval,
        expires_at=workflow.now() + interval.duration * policies.MONITORED_CANDLES,
        tier=config.tier,
        mode=config.mode,
    )
    with suppress(WorkflowAlreadyStartedError):  # the deterministic ID is the lock: the signal is monitored
        await workflow.start_child_workflow(
            ids.SIGNAL_MONITOR,
            monitor,
            id=ids.signal_monitor_workflow_id(monitor.signal_id),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"{match.symbol} {interval} · {config.name}",
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(ids.TRADER_ID, str(config.trader_id)),
                    SearchAttributePair(ids.USER_ID, str(config.user_id)),
                    SearchAttributePair(ids.TIER, config.tier),
                    SearchAttributePair(ids.SYMBOL, match.symbol),
                ]
            ),
        )
