"""What flows of deployments take, over HTTP: told by whoever has the code and deploys it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from upshot.flows.schemas.checking import is_schema
from upshot.flows.schemas.keeping import keep, now_ms
from upshot.flows.schemas.known import Known

from ..definitions.deployed import deployed
from ..exceptions import Refused
from .answers import answer
from .parts import Served
from .routing import StrictRoute

router = APIRouter(prefix="/api/v1/deployments", tags=["definitions"], route_class=StrictRoute)


@router.put("/{name:path}/parameter-schema")
async def tell(parts: Served, name: str, told: Known) -> Response:
    """Tell what the flow of a deployment takes, as its code is now; runs are checked with it.

    `files` are those of the code with the nanosecond of their change, where it comes from no
    source: what is told holds as long as they stay so.
    """
    deployment = await deployed(parts.catalog, name)
    if not is_schema(told.takes):
        errors: list[dict[str, object]] = [{"field": "takes", "message": "is no JSON schema"}]
        raise Refused(422, "invalid-request", "takes: is no JSON schema", errors=errors)
    await keep(parts.store, deployment, told.model_copy(update={"at": now_ms()}))
    return answer({"deployment": deployment["name"], "parameter_schema": told.takes})
