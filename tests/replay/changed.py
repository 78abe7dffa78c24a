"""Workflows that do something else than their recordings say."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows import ids
    from workflows.contracts import TraderInput, TraderReport
    from workflows.trader import TraderWorkflow


@workflow.defn(name=ids.TRADER)
class HesitatingTrader(TraderWorkflow):
    """Sleeps before it begins."""

    @workflow.init
    def __init__(self, start: TraderInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: TraderInput) -> TraderReport:
        """One command more than was recorded."""
        await workflow.sleep(timedelta(seconds=1))
        return await super().run(start)
