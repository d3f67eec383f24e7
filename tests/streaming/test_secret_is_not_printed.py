"""A token can be used, never shown."""

import copy
import pickle

import pytest

from bailiwick_operator.secret import Secret


def test_no_text_form_shows_the_value() -> None:
    """Neither repr, str, a format nor a container's repr holds it."""
    secret = Secret("s3cr3t")

    shown = " ".join([repr(secret), str(secret), f"{secret}", str([secret]), f"{secret:>40}"])

    assert "s3cr3t" not in shown
    assert secret.reveal() == "s3cr3t"


@pytest.mark.parametrize("leave", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_is_not_copied_out(leave: object) -> None:
    """Pickling and copying are refused."""
    with pytest.raises(TypeError, match="secret"):
        leave(Secret("s3cr3t"))  # type: ignore[operator]
