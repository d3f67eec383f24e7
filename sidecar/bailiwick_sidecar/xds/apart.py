"""Translation in a process of its own, which lives for a second.

Envoy's messages take 30 MB once they are loaded, and are needed only when a config comes.
"""

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE
from typing import Final

import msgspec

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.xds.codes import TranslationError
from bailiwick_sidecar.xds.job import Job, Result, snapshot_of
from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.snapshot import Snapshot

COMMAND: Final = (sys.executable, "-I", "-m", "bailiwick_sidecar.xds")
ATTEMPTS: Final = 2
"""A process that ended without a word may have been in the way of something."""
SECONDS: Final = 120.0
"""How long one attempt may take; a busy node needs a few."""

log = logging.getLogger(__name__)


async def translated(
    config: TenantConfig, runtime: Runtime, *, command: tuple[str, ...] = COMMAND
) -> Snapshot:
    """Everything that Envoy needs to serve this config, as `translate` makes it.

    Raises:
        TranslationError: the config can't be served, or the process did not do its work.
    """
    question = msgspec.msgpack.encode(Job(config.SerializeToString(), runtime))
    for attempt in range(1, ATTEMPTS + 1):
        result = await _asked(command, question)
        if result is not None and result.refusal:
            raise TranslationError(result.refusal)
        if result is not None:
            return snapshot_of(result)
        log.error("event=translation_failed attempt=%d", attempt)
    raise TranslationError(
        "the config was not translated: the process for it ended without an answer; look for its "
        "reason in the agent's log, and give the agent more memory if it was killed"
    )


async def _asked(command: tuple[str, ...], question: bytes) -> Result | None:
    """The process's answer; None where it gave none. Whatever happens, it is gone afterwards."""
    try:
        # Its environment is empty: nothing of the agent's is its business.
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env={})
    except OSError as error:
        log.warning("event=translation_not_started error=%s", error)
        return None
    try:
        async with asyncio.timeout(SECONDS):
            answer, _ = await process.communicate(question)
        return msgspec.msgpack.decode(answer, type=Result) if process.returncode == 0 else None
    except (TimeoutError, OSError, msgspec.DecodeError) as error:
        log.warning("event=translation_unanswered error=%r", str(error))
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
