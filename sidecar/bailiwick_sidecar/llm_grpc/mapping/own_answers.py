"""What this gateway answers of its own, GET /v1/models and /v1/usage → the API's messages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bailiwick.llm.v1 import llm_pb2 as pb

_MODES: Final = {"Enforce": pb.LIMIT_MODE_ENFORCE, "Shadow": pb.LIMIT_MODE_SHADOW}


def models_response(said: Mapping[str, Any]) -> pb.ListModelsResponse:
    """The models that a caller may use."""
    return pb.ListModelsResponse(
        data=[
            pb.Model(id=one["id"], created=one["created"], owned_by=one["owned_by"])
            for one in said["data"]
        ]
    )


def usage_response(said: Mapping[str, Any]) -> pb.GetUsageResponse:
    """A caller's limits."""
    caller = said["caller"]
    return pb.GetUsageResponse(
        caller=pb.Caller(
            tenant=caller["tenant"],
            namespace=caller["namespace"],
            team=caller["team"],
            project=caller["project"],
            user=caller["user"],
        ),
        data=[_limit(one) for one in said["data"]],
    )


def _limit(said: Mapping[str, Any]) -> pb.Limit:
    limit = pb.Limit(
        id=said["id"],
        kind=said["kind"],
        subject=said["subject"],
        unit=said["unit"],
        mode=_MODES.get(said["mode"], pb.LIMIT_MODE_UNSPECIFIED),
        limit=str(said["limit"]),
        used=str(said["used"]),
        remaining=str(said["remaining"]),
    )
    limit.resets_at.FromDatetime(datetime.fromisoformat(said["resets_at"]))
    return limit
