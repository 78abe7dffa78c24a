"""`cloudtrader search-attributes ...`: the workflow fields that operators search by."""

from datetime import timedelta

import typer
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey

from adapters.settings import environment
from adapters.temporal import connect
from api.failures import in_terms_of_the_product
from cli.options import Json, blocking
from cli.output import show
from workflows.ids import SEARCH_ATTRIBUTES

app = typer.Typer(no_args_is_help=True, help="The workflow fields that operators search by.")

ANSWER_WITHIN = timedelta(seconds=10)
SILENCE = f"Temporal did not answer within {ANSWER_WITHIN.total_seconds():.0f} s."


@app.command()
@blocking
async def register(as_json: Json = False) -> None:
    """Make Temporal know them. Doing it again changes nothing."""
    client = await connect(environment())
    missing = await missing_from(client)
    if missing:
        added = {key.name: key.indexed_value_type.value for key in missing}
        request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=added)  # type: ignore[arg-type]
        async with in_terms_of_the_product(ANSWER_WITHIN, SILENCE):
            await client.operator_service.add_search_attributes(request, timeout=ANSWER_WITHIN)
    names = [key.name for key in missing]
    show({"registered": names}, f"Registered {', '.join(names)}." if names else "All are registered.", as_json=as_json)


@app.callback()
def _group() -> None:
    """The workflow fields that operators search by."""


async def missing_from(client: Client) -> list[SearchAttributeKey[str]]:
    """Those that the namespace does not know yet. Raises UnavailableError."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    async with in_terms_of_the_product(ANSWER_WITHIN, SILENCE):
        known = (await client.operator_service.list_search_attributes(request, timeout=ANSWER_WITHIN)).custom_attributes
    return [key for key in SEARCH_ATTRIBUTES if key.name not in known]
