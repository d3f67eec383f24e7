"""The Lua that Envoy runs: constant files, put together here and nowhere else."""

from functools import cache
from importlib.resources import files

from bailiwick_sidecar.xds.codes import checked_code

_LUA = files("bailiwick_sidecar.xds") / "lua"


@cache
def _source(name: str) -> str:
    return (_LUA / f"{name}.lua").read_text(encoding="utf-8")


@cache
def _chunk(name: str) -> str:
    # Each file returns nothing and leaves its table in a local: one chunk, no globals but handlers.
    return "\n".join(_source(each) for each in ("json", "answers", "splices", name))


def request_script() -> str:
    """Source for the listener's filter: both ways of a call."""
    return "\n".join((_chunk("request"), _source("response")))


def leaf_script(*, code: str, endpoint: str, authority: str, path: str) -> str:
    """Source for one backend's upstream filter.

    Endpoint mark, authority and path are written as hexadecimal digits, so that no text of a
    config is ever read as Lua.

    Raises:
        TranslationError: the code is not one of names.py.
    """
    constants = (
        f'local CODE = "{checked_code(code)}"\n'
        f'local ENDPOINT = unhex("{endpoint.encode().hex()}")\n'
        f'local AUTHORITY = unhex("{authority.encode().hex()}")\n'
        f'local PATH = unhex("{path.encode().hex()}")\n'
    )
    return f"{_source('unhex')}\n{constants}\n{_chunk('leaf')}"
