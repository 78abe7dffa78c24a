"""Starts and messages trader workflows for the activities."""

from uuid import UUID

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import RefusedError, UnavailableError
from domain.tiers import TierLimits
from domain.traders import Trader, TraderStatus
from workflows import ids, policies
from workflows.contracts import TraderConfig, TraderInput
from workflows.story import details_of, summary_of
from workflows.trader import TraderWorkflow


class TemporalTraderLauncher:
    """Trader workflows by their IDs, through the worker's own client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, trader: Trader, instance_id: UUID, limits: TierLimits) -> None:
        """Start the trader's workflow; where it runs already, hand it the stored version."""
        config = TraderConfig.of(trader, instance_id, limits)
        try:
            await self._client.start_workflow(
                TraderWorkflow.run,
                TraderInput(config=config),
                id=ids.trader_workflow_id(trader.id),
                task_queue=ids.TRADERS_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                search_attributes=_search_attributes(config),
                memo={"trader": summary_of(config)},
                static_summary=summary_of(config),
                static_details=details_of(config),
                priority=policies.priority_of(limits, trader.user_id),
            )
        except WorkflowAlreadyStartedError:
            await self._hand_over(config)
        except RPCError as error:
            raise UnavailableError(f"Temporal did not start the trader: {error.message}") from error

    async def _hand_over(self, config: TraderConfig) -> None:
        handle = self._client.get_workflow_handle_for(TraderWorkflow.run, ids.trader_workflow_id(config.trader_id))
        try:
            await handle.execute_update("update_config", config, result_type=int)
        except WorkflowUpdateFailedError as error:
            message = error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
            raise RefusedError(message) from error
        except RPCError as error:
            raise UnavailableError(f"The running trader did not take over version {config.version}: {error.message}") from error

    async def signal(self, trader_id: UUID, name: str, reason: str) -> bool:
        """Send the trader's workflow a Temporal signal. False when none runs."""
        try:
            await self._client.get_workflow_handle(ids.trader_workflow_id(trader_id)).signal(name, reason)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise UnavailableError(f"Temporal did not take the message: {error.message}") from error
        return True


def _search_attributes(config: TraderConfig) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(ids.TRADER_ID, str(config.trader_id)),
            SearchAttributePair(ids.USER_ID, str(config.user_id)),
            SearchAttributePair(ids.TIER, config.tier),
            SearchAttributePair(ids.MODE, config.mode),
            SearchAttributePair(ids.TRADER_STATUS, TraderStatus.RUNNING),
        ]
    )
