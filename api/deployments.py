"""The backend's application service: what a user may ask of his traders. Constructed with the user's identity already established.

Every call takes the asking user and works on that user's traders only: somebody else's trader is as good as none. Calls raise
CloudtraderErrors and nothing else: NotFoundError; RefusedError, LimitReachedError, FilterRefusedError with what to change;
UnavailableError with what became of the request.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from uuid import UUID, uuid5

from pydantic import JsonValue
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateHandle, WorkflowUpdateStage
from temporalio.common import QueryRejectCondition, SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy

from adapters.supabase.executions import RecordedEvaluation
from adapters.supabase.filter_failures import RecordedFailure
from adapters.supabase.traders import StoredTrader, SupabaseTraders, TraderVersion
from api.failures import NotDeployedError, in_terms_of_the_product
from domain.errors import CloudtraderError, FilterRefusedError, RefusedError, UnavailableError
from domain.filter_failures import cleaned
from domain.filters import NEEDS_CONVERSION, FilterSpec, Language
from domain.tiers import LIMITS, TierLimits
from domain.traders import Mode, Trader, TraderSettings
from workflows import ids
from workflows.contracts import DeployInput, DeployResult, InstanceInput, RunNowResult, TraderConfig, TraderReport, WithdrawInput
from workflows.instance import InstanceWorkflow
from workflows.trader import TraderWorkflow

ANSWER_WITHIN = timedelta(seconds=20)
"""A worker takes a request within this, or the caller is told that none did."""
FINISH_WITHIN = timedelta(seconds=40)
"""A request that a worker took is answered within this, or the caller is told that it is still under way."""
SIGNAL_WITHIN = timedelta(seconds=10)
STATUS_WITHIN = timedelta(seconds=5)

KEPT = (
    "No worker answered within {seconds:.0f} s. The request is kept and will be done when workers return; "
    "`cloudtrader doctor` says what is missing."
)
UNDER_WAY = (
    "A worker took the request and has not finished it: the database or the market data does not answer. "
    "It goes on by itself; `cloudtrader doctor` says what is missing."
)


@dataclass(frozen=True, kw_only=True)
class TraderStanding:
    """What a trader does: its row, its workflow's own report where that can be had, and what its evaluations last told.

    The report is as old as the trader's window, up to five minutes; the evaluations are there as soon as they were made.
    """

    stored: StoredTrader
    report: TraderReport | None
    why_no_report: str = ""
    running: TraderVersion | None = None
    """The version that runs; `None` without a report."""
    last_evaluation: RecordedEvaluation | None = None
    trouble: RecordedEvaluation | None = None
    """What went wrong since the last evaluation: the newest tick that failed or found the market stale."""


@dataclass(frozen=True, kw_only=True)
class FailureInCode:
    """A failure beside the line of the filter it names."""

    failure: RecordedFailure
    code_line: str
    """Empty where the failure names no line of what is stored."""

    @classmethod
    def of(cls, failure: RecordedFailure, code: Mapping[int, str]) -> Self:
        """With its line of the version's code."""
        lines, line = code.get(failure.version, "").split("\n"), failure.line or 0
        return cls(failure=failure, code_line=cleaned(lines[line - 1]) if 0 < line <= len(lines) else "")


@dataclass(frozen=True, kw_only=True)
class TraderFailures:
    """A trader, and how its filter failed: those seen last come first."""

    stored: StoredTrader
    failures: tuple[FailureInCode, ...]


class Deployments:
    """A user's traders: stored in the database, run by workflows."""

    def __init__(self, connect: Callable[[], Awaitable[Client]], traders: SupabaseTraders) -> None:
        """`connect` is called when Temporal is first needed, so that what the database alone can answer does not depend on it."""
        self._connect = connect
        self._temporal: Client | None = None
        self._traders = traders

    async def create(
        self,
        user_id: UUID,
        name: str,
        settings: TraderSettings,
        *,
        description: str = "",
        mode: Mode = Mode.DEMO,
        strategy: JsonValue = None,
        limits: TierLimits | None = None,
    ) -> Trader:
        """Store a new trader. Raises FilterRefusedError for a filter that does not compile; nothing is stored then.

        The same for one beyond `limits`, which are given where the trader is to be deployed at once: a tier runs no such filter.
        """
        await _require_good_filter(settings.filter, limits)
        return await self._traders.create(user_id, name, description, settings, mode, strategy)

    async def deploy(self, user_id: UUID, id_or_name: str) -> DeployResult:
        """Have the trader run in the cloud. Doing it again changes nothing; a running trader takes over its newest version."""
        stored = await self._traders.find(user_id, id_or_name)
        if stored.settings:
            _require_runnable(stored.settings.filter)
        await self._traders.enable_in_cloud(stored.id, enabled=True)
        try:
            return await self._deploy(stored)
        except RefusedError:
            if not stored.enabled_in_cloud:
                await self._traders.enable_in_cloud(stored.id, enabled=False)  # what does not run takes no place
            raise

    async def pause(self, user_id: UUID, id_or_name: str, reason: str = "") -> StoredTrader:
        """Tell the trader to stop looking. It does so at once where a worker runs, otherwise as soon as one does."""
        return await self._signal(user_id, id_or_name, "pause", reason)

    async def resume(self, user_id: UUID, id_or_name: str, reason: str = "") -> StoredTrader:
        """Tell the trader to look again."""
        return await self._signal(user_id, id_or_name, "resume", reason)

    async def stop(self, user_id: UUID, id_or_name: str, reason: str = "") -> StoredTrader:
        """Take the trader out of the cloud; its place is free. It can be deployed again."""
        stored = await self._traders.find(user_id, id_or_name)
        try:
            await self._send(stored, "stop", reason)
        except NotDeployedError:
            if not stored.enabled_in_cloud:
                raise
            await self._withdraw(stored)
        await self._traders.enable_in_cloud(stored.id, enabled=False)
        return stored

    async def run_now(self, user_id: UUID, id_or_name: str) -> RunNowResult:
        """Have the trader tick now; what it found."""
        stored = await self._traders.find(user_id, id_or_name)
        async with _answered():
            asked: WorkflowUpdateHandle[RunNowResult] = await (await self._handle(stored.id)).start_update(
                "run_now", result_type=RunNowResult, wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )
        async with _finished():
            return await asked.result()

    async def update(self, user_id: UUID, id_or_name: str, settings: TraderSettings) -> Trader:
        """Store new settings as a new version and hand them to the trader where it runs. Stored settings stay, whatever the trader says.

        Raises FilterRefusedError for a filter that does not compile or, where the trader runs, that its tier does not allow.
        """
        stored = await self._traders.find(user_id, id_or_name)
        await _require_good_filter(settings.filter, LIMITS[stored.tier] if stored.enabled_in_cloud else None)
        if stored.enabled_in_cloud:
            _require_runnable(settings.filter)
        trader = await self._traders.update_settings(stored.id, settings)
        if stored.enabled_in_cloud:
            with suppress(NotDeployedError):  # it takes the settings when it is deployed
                await self._hand_over(trader)
        return trader

    async def list(self, user_id: UUID) -> Sequence[StoredTrader]:
        """The user's traders."""
        return await self._traders.list_for(user_id)

    async def versions(self, user_id: UUID, id_or_name: str) -> Sequence[TraderVersion]:
        """Every version of the trader."""
        stored = await self._traders.find(user_id, id_or_name)
        return await self._traders.versions(stored.id)

    async def failures(self, user_id: UUID, id_or_name: str, limit: int) -> TraderFailures:
        """How the trader's filter failed, the last seen first; and the code of every version that did."""
        stored = await self._traders.find(user_id, id_or_name)
        found = await self._traders.failures(stored.id, limit)
        versions = await self._traders.versions(stored.id) if found else []
        code = {version.version: version.settings.filter.code for version in versions if version.settings}
        return TraderFailures(stored=stored, failures=tuple(FailureInCode.of(failure, code) for failure in found))

    async def status(self, user_id: UUID, id_or_name: str) -> TraderStanding:
        """What the trader does, from its workflow; from the database alone where the workflow cannot be asked."""
        stored = await self._traders.find(user_id, id_or_name)
        report: TraderReport | None
        why = ""
        try:
            async with in_terms_of_the_product(STATUS_WITHIN, "no worker answers"):
                report = await (await self._handle(stored.id)).query(TraderWorkflow.status, reject_condition=QueryRejectCondition.NOT_OPEN)
        except (RefusedError, UnavailableError) as error:
            report, why = None, str(error)
        latest = await self._traders.latest_evaluations(stored.id)
        return TraderStanding(
            stored=stored,
            report=report,
            why_no_report=why,
            running=await self._version(stored.id, report.version) if report else None,
            last_evaluation=latest.evaluated,
            trouble=latest.trouble,
        )

    async def _version(self, trader_id: UUID, number: int) -> TraderVersion | None:
        return next((version for version in await self._traders.versions(trader_id) if version.version == number), None)

    async def _deploy(self, stored: StoredTrader) -> DeployResult:
        start = WithStartWorkflowOperation(
            InstanceWorkflow.run,
            InstanceInput(user_id=stored.user_id, instance_id=instance_id_of(stored.user_id)),
            id=ids.instance_workflow_id(stored.user_id),
            task_queue=ids.TRADERS_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=TypedSearchAttributes([SearchAttributePair(ids.USER_ID, str(stored.user_id))]),
        )
        # No update id of our own: a refusal would be answered from memory for ever after, and so would a success after a stop.
        async with _answered():
            asked: WorkflowUpdateHandle[DeployResult] = await (await self._client()).start_update_with_start_workflow(
                "deploy",
                DeployInput(trader_id=stored.id),
                result_type=DeployResult,
                start_workflow_operation=start,
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            )
        async with _finished():
            return await asked.result()

    async def _hand_over(self, trader: Trader) -> None:
        config = TraderConfig.of(trader, instance_id_of(trader.user_id), LIMITS[trader.tier])
        try:
            async with _answered():
                asked: WorkflowUpdateHandle[int] = await (await self._handle(trader.id)).start_update(
                    "update_config", config, result_type=int, wait_for_stage=WorkflowUpdateStage.ACCEPTED
                )
            async with _finished():
                await asked.result()
        except NotDeployedError:
            raise
        except CloudtraderError as error:
            kind = UnavailableError if isinstance(error, UnavailableError) else RefusedError
            raise kind(f"Version {trader.version} is stored; the running trader keeps the version it has. {error}") from error

    async def _withdraw(self, stored: StoredTrader) -> None:
        # Its workflow is gone without a word (an operator terminated it), and its instance still counts it.
        instance = (await self._client()).get_workflow_handle_for(InstanceWorkflow.run, ids.instance_workflow_id(stored.user_id))
        with suppress(NotDeployedError):  # the instance is gone too
            async with _finished():
                await instance.execute_update("withdraw", WithdrawInput(trader_id=stored.id), result_type=bool)

    async def _signal(self, user_id: UUID, id_or_name: str, name: str, reason: str) -> StoredTrader:
        stored = await self._traders.find(user_id, id_or_name)
        await self._send(stored, name, reason)
        return stored

    async def _send(self, stored: StoredTrader, name: str, reason: str) -> None:
        async with in_terms_of_the_product(SIGNAL_WITHIN, "Temporal does not answer; nothing was changed."):
            await (await self._handle(stored.id)).signal(name, reason)

    async def _handle(self, trader_id: UUID) -> WorkflowHandle[TraderWorkflow, TraderReport]:
        return (await self._client()).get_workflow_handle_for(TraderWorkflow.run, ids.trader_workflow_id(trader_id))

    async def _client(self) -> Client:
        self._temporal = self._temporal or await self._connect()
        return self._temporal


def _answered() -> AbstractAsyncContextManager[None]:
    return in_terms_of_the_product(ANSWER_WITHIN, KEPT.format(seconds=ANSWER_WITHIN.total_seconds()))


def _finished() -> AbstractAsyncContextManager[None]:
    return in_terms_of_the_product(FINISH_WITHIN, UNDER_WAY)


def instance_id_of(user_id: UUID) -> UUID:
    """One user, one instance; the id of its row."""
    return uuid5(user_id, "instance")


async def _require_good_filter(spec: FilterSpec, limits: TierLimits | None) -> None:
    """Refuse a filter that does not compile or exceeds the limits. One in Go is kept as it is: there is nothing to compile it."""
    from filters.validation import check  # noqa: PLC0415  (TA-Lib takes 0.7 s to load, and most requests need none)

    if spec.language is not Language.GO and (problems := await asyncio.to_thread(check, spec, limits)):
        raise FilterRefusedError(problems)


def _require_runnable(spec: FilterSpec) -> None:
    if spec.language is Language.GO:
        raise RefusedError(NEEDS_CONVERSION)
