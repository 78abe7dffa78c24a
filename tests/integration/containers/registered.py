"""What a Temporal server knows of our search attributes."""

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from workflows.ids import SEARCH_ATTRIBUTES

NAMES = {key.name for key in SEARCH_ATTRIBUTES}


async def registered(client: Client) -> set[str]:
    """Names of the namespace's own search attributes."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    return set((await client.operator_service.list_search_attributes(request)).custom_attributes)
