"""A user's instance: the set of the user's cloud traders. It starts and messages them by ID and is not their Temporal parent."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import NoneType
from typing import TypeVar
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities import instances, screening, traders
    from domain.traders import InstanceStatus, TraderStatus
    from workflows import ids, policies
    from workflows.contracts import DeployInput, DeployResult, InstanceInput, InstanceState, WithdrawInput
    from workflows.failures import message_of, refusal_of
    from workflows.inputs import reason_of

Result = TypeVar("Result")

ACTIVE = (TraderStatus.STARTING, TraderStatus.RUNNING, TraderStatus.PAUSED, TraderStatus.ERROR)


@workflow.defn(name=ids.INSTANCE)
class InstanceWorkflow:
    """One per user, from the first deployment on."""

    @workflow.init
    def __init__(self, start: InstanceInput) -> None:
        self.user_id = start.user_id
        self.instance_id = start.instance_id
        self.state = start.state
        self._saved: InstanceState | None = None

    @workflow.run
    async def run(self, start: InstanceInput) -> None:  # noqa: ARG002  (taken by __init__)
        """Keep the instance's row true, for ever."""
        self._show()
        while True:
            await workflow.wait_condition(lambda: self.state != self._saved or self._should_continue_as_new())
            if self.state != self._saved:
                await self._save()
            if self._should_continue_as_new():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(InstanceInput(user_id=self.user_id, instance_id=self.instance_id, state=self.state))

    @workflow.update(description="Start one of the user's traders in the cloud, or hand the running one its newest version.")
    async def deploy(self, request: DeployInput) -> DeployResult:
        """Load, check and start a trader. Refused with the reason when it cannot run; nothing is started then."""
        loaded = await self._call(
            traders.LOAD, traders.LoadTraderInput(trader_id=request.trader_id, user_id=self.user_id), traders.LoadTraderResult
        )
        self._require_room(request.trader_id, loaded)
        await self._call(
            screening.CHECK,
            screening.CheckInput(trader_id=request.trader_id, user_id=self.user_id, settings=loaded.trader.settings, limits=loaded.limits),
            NoneType,
            queue=ids.MARKET_QUEUE,
        )
        self._require_room(request.trader_id, loaded)  # another deployment may have taken the last place meanwhile
        await workflow.wait_condition(lambda: self._saved is not None)  # a trader's evaluations refer to the instance's row
        before = self.state.traders.get(str(request.trader_id))
        self._set(request.trader_id, before if before in ACTIVE else TraderStatus.STARTING)
        try:
            await self._call(
                traders.START,
                traders.StartTraderInput(trader=loaded.trader, limits=loaded.limits, instance_id=self.instance_id, at=workflow.now()),
                NoneType,
            )
        except ApplicationError:
            self._set(request.trader_id, before)
            raise
        return DeployResult(workflow_id=ids.trader_workflow_id(request.trader_id), version=loaded.trader.version)

    @workflow.update(description="Stop one of the user's traders and take it out of the cloud.")
    async def withdraw(self, request: WithdrawInput) -> bool:
        """Stop a trader; whether there was one running."""
        if str(request.trader_id) not in self.state.traders:
            owned = traders.LoadTraderInput(trader_id=request.trader_id, user_id=self.user_id)
            await self._call(traders.LOAD, owned, traders.LoadTraderResult)
        stop = traders.SignalTraderInput(trader_id=request.trader_id, name="stop", reason=request.reason or "withdrawn")
        result = await self._call(traders.SIGNAL, stop, traders.SignalTraderResult)
        self._set(request.trader_id, TraderStatus.STOPPED)
        return bool(result.delivered)

    @workflow.signal(description="Pause every trader of the user. Works without input; a reason may be given.")
    async def pause_all(self, *said: object) -> None:
        """Pause every trader."""
        self.state = replace(self.state, status=InstanceStatus.PAUSED, reason=reason_of(said))
        await self._signal_all("pause", reason_of(said))

    @workflow.signal(description="Resume every trader of the user. Works without input; a reason may be given.")
    async def resume_all(self, *said: object) -> None:
        """Resume every trader."""
        self.state = replace(self.state, status=InstanceStatus.RUNNING, reason=reason_of(said))
        await self._signal_all("resume", reason_of(said))

    @workflow.signal(description="Sent by a trader when its status changes.")
    def trader_changed(self, *said: object) -> None:
        """A trader says what it does now."""
        trader_id, status, *_ = (*map(str, said), "", "")
        with suppress(ValueError):  # whoever sent this is no trader
            self._set(UUID(trader_id), TraderStatus(status))

    @workflow.query(description="The user's traders and what they do.")
    def status(self) -> InstanceState:
        """The user's traders and what they do."""
        return self.state

    def _require_room(self, trader_id: UUID, loaded: traders.LoadTraderResult) -> None:
        if loaded.limits.max_traders == 0:
            raise ApplicationError(
                f"Tier {loaded.trader.tier} has no cloud traders. Upgrade to pro or elite to deploy this one.", type="LimitReachedError"
            )
        others = [held for held, status in self.state.traders.items() if status in ACTIVE and held != str(trader_id)]
        if len(others) >= loaded.limits.max_traders:
            raise ApplicationError(
                f"Tier {loaded.trader.tier} allows {loaded.limits.max_traders} cloud traders and all are in use. "
                "Stop one first, or upgrade.",
                type="LimitReachedError",
            )

    async def _call(self, activity: str, request: object, result_type: type[Result], queue: str = ids.TRADERS_QUEUE) -> Result:
        """Call an activity for a user who waits: an answer within a minute, or a failure that says why."""
        try:
            result: Result = await workflow.execute_activity(
                activity,
                request,
                result_type=result_type,
                task_queue=queue,
                schedule_to_close_timeout=policies.ASK_TO_CLOSE,
                start_to_close_timeout=policies.STORE_START_TO_CLOSE,
                retry_policy=policies.PERSISTENT,
            )
        except ActivityError as error:
            raise refusal_of(error) from error
        return result

    async def _signal_all(self, name: str, reason: str) -> None:
        active = [UUID(held) for held, status in sorted(self.state.traders.items()) if status in ACTIVE]
        told = await asyncio.gather(*(self._signal(trader_id, name, reason) for trader_id in active))
        if missed := told.count(False):
            self.state = replace(self.state, reason=f"{reason or name}; {missed} of {len(told)} traders could not be told: send it again")
            self._show()

    async def _signal(self, trader_id: UUID, name: str, reason: str) -> bool:
        message = traders.SignalTraderInput(trader_id=trader_id, name=name, reason=reason)
        try:
            await self._call(traders.SIGNAL, message, traders.SignalTraderResult)
        except ApplicationError:  # leaving a signal's handler it would fail the workflow
            return False
        return True

    def _set(self, trader_id: UUID, status: str | None) -> None:
        others = {held: value for held, value in self.state.traders.items() if held != str(trader_id)}
        held = others if status is None else others | {str(trader_id): str(status)}
        settled = InstanceStatus.PAUSED if self.state.status is InstanceStatus.PAUSED else InstanceStatus.RUNNING
        self.state = replace(self.state, traders=held, status=settled)
        self._show()

    async def _save(self) -> None:
        state = self.state
        try:
            await workflow.execute_activity(
                instances.SAVE,
                instances.SaveInstanceInput(
                    user_id=self.user_id,
                    instance_id=self.instance_id,
                    status=state.status,
                    reason=state.reason,
                    traders=dict(Counter(state.traders.values())),
                    at=workflow.now(),
                ),
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=policies.PERSISTENT,
                summary=f"show {state.status}",
            )
        except ActivityError as error:
            workflow.logger.warning("the instance's row cannot be written: %s", message_of(error))
        self._saved = state

    def _should_continue_as_new(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.is_target_worker_deployment_version_changed()

    def _show(self) -> None:
        lines = "\n".join(f"- `{ids.trader_workflow_id(UUID(held))}` {status}" for held, status in sorted(self.state.traders.items()))
        reason = f" — {self.state.reason}" if self.state.reason else ""
        workflow.set_current_details(f"## {self.state.status}{reason}\n\n**Traders**\n\n{lines or 'none'}")
