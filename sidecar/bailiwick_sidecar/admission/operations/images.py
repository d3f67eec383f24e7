"""Images: priced by the token where the model says usage, else by the image."""

from typing import Final

from bailiwick_contract.rating import RateTuple, with_images
from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.operations.members import MAX_N, count, flag
from bailiwick_sidecar.admission.operations.operation import Asked, Operation, Said

IMAGE_TOKENS: Final = 8192
"""Output tokens of one image at most, where the model declares no maximum.

gpt-image-1 takes 6,240 for its largest and best (OpenAI's guide to image generation).
"""

_SHOWN: Final = "drafts are billed beside the images, and a stream has no place for their usage"
_MORE: Final = "it is billed by figures that the answer's usage does not hold"


def _read(said: Said) -> Asked:
    if flag(said, "stream"):
        raise refused("unsupported_parameter", param="stream", reason=_SHOWN)
    for name, reason in (("partial_images", _SHOWN), ("svg", _MORE), ("frame_count", _MORE)):
        value = said.get(name)
        if value is not None and (type(value) is not int or value != 0):
            raise refused("unsupported_parameter", param=name, reason=reason)
    n = count(said, "n", MAX_N) or 1
    return Asked(n=n, images=n)


def image_terms(
    rates: RateTuple, per_image: int, *, images: int, most: int
) -> tuple[RateTuple, int, bool]:
    """What these images are charged by: rates, output tokens at most, and whether flat.

    A price per image becomes a part of this call's price per request. `most` is the model's
    maximum of output tokens for one image (0: not known).
    """
    by_token = any(rates[:6])
    if per_image:
        rates = with_images(rates, per_image * images)
    output = 0 if per_image and not by_token else (most or IMAGE_TOKENS) * images
    # Where nothing is priced by the token, an answer without figures leaves nothing to estimate.
    return rates, output, bool(per_image) or not by_token


# OpenTelemetry has no name for it. `background` is a matter of looks here.
IMAGES: Final = Operation(
    "/v1/images/generations",
    "image_generation",
    _read,
    frozenset({"background", "partial_images", "svg", "frame_count"}),
)
