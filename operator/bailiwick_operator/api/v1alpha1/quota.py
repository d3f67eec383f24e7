"""Quota: limits for a subject inside a namespace; it can only tighten."""

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import (
    API_VERSION,
    AS_SET,
    BY_NAME,
    LABEL_NAME,
    Model,
    ObjectMeta,
    Rule,
    Status,
)
from bailiwick_operator.api.v1alpha1.limits import Limits, Subject
from bailiwick_operator.api.v1alpha1.use import LimitUse, UpdatedAt, Used


class Mode(Enum):
    """What happens when a limit is reached."""

    ENFORCE = "Enforce"
    SHADOW = "Shadow"


class QuotaSpec(Model, frozen=True, kw_only=True):
    """What a subject may use inside the namespace."""

    subject: Annotated[Subject, Meta(description="Whom it holds for; {} is the namespace.")]
    limits: Annotated[Limits, Meta(description="What the subject may use.")]
    thresholds: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=1000)], ...],
        Meta(
            description="Percent of use at which an Event and a metric are raised.",
            max_length=8,
            extra_json_schema=AS_SET,
        ),
    ] = ()
    mode: Annotated[
        Mode,
        Meta(description="Enforce refuses; Shadow counts and refuses nothing. Default: Enforce."),
    ] = Mode.ENFORCE


class QuotaStatus(Status, frozen=True, kw_only=True):
    """Use of the limits."""

    use: Annotated[
        tuple[LimitUse, ...],
        Meta(
            description=(
                "One entry per limit. With each in the subject: the counter that is fullest."
            ),
            max_length=16,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    used: Used = ""
    updated_at: UpdatedAt = None


class Quota(Model, frozen=True, kw_only=True):
    """Limits for a subject inside the namespace. A Quota can only tighten."""

    RULES: ClassVar[tuple[Rule, ...]] = (LABEL_NAME,)

    api_version: str = API_VERSION
    kind: str = "Quota"
    metadata: ObjectMeta
    spec: QuotaSpec
    status: QuotaStatus | None = None
