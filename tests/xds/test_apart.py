"""Translation in a process of its own gives what translation here gives, or says why not."""

import asyncio
import sys
from pathlib import Path

import pytest
from dataplane_kit.rendering import config_of

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.xds.apart import translated
from bailiwick_sidecar.xds.codes import TranslationError
from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.snapshot import Kind
from bailiwick_sidecar.xds.translate import translate

CASE = min((Path(__file__).parent / "cases").glob("*.in.yaml"))
RUNTIME = Runtime(port=8080)


def config() -> TenantConfig:
    """A recorded case's config."""
    return config_of(CASE.read_text())


def test_resources_are_those_of_translate() -> None:
    """Byte for byte, with the same versions and references."""
    here, apart = translate(config(), RUNTIME), asyncio.run(translated(config(), RUNTIME))

    assert apart.references == here.references
    for kind in Kind:
        assert apart.version(kind) == here.version(kind)
        assert {name: (one.type_url, one.value) for name, one in apart.resources[kind].items()} == {
            name: (one.type_url, one.value) for name, one in here.resources[kind].items()
        }
    apart.consistent()


def test_a_refusal_comes_back_in_its_words() -> None:
    """A backend of a provider that is not there."""
    broken = config()
    del broken.providers[:]

    with pytest.raises(TranslationError, match="is not in this config"):
        asyncio.run(translated(broken, RUNTIME))


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"),
        (sys.executable, "-c", "print('no result')"),
        ("/nowhere/python",),
    ],
    ids=["killed", "talks nonsense", "not there"],
)
def test_a_process_that_does_not_answer_is_an_error_in_words(command: tuple[str, ...]) -> None:
    """Twice tried, then said with what to look at."""
    with pytest.raises(TranslationError, match="agent's log"):
        asyncio.run(translated(config(), RUNTIME, command=command))


def test_a_process_killed_once_is_replaced(tmp_path: Path) -> None:
    """The second attempt does the work."""
    mark = tmp_path / "mark"
    once = (
        "import os, pathlib, runpy\n"
        f"mark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        "    os.kill(os.getpid(), 9)\n"
        "runpy.run_module('bailiwick_sidecar.xds', run_name='__main__')\n"
    )

    snapshot = asyncio.run(translated(config(), RUNTIME, command=(sys.executable, "-c", once)))

    assert mark.exists()
    assert snapshot.version(Kind.ROUTES) == translate(config(), RUNTIME).version(Kind.ROUTES)


def test_the_agent_itself_loads_none_of_envoys_messages() -> None:
    """They would take 30 MB of every gateway for as long as it lives."""
    program = (
        "import sys, bailiwick_sidecar.app, bailiwick_sidecar.envoy_link\n"
        "sys.exit(any(name.startswith(('envoy_data_plane', 'pydantic')) for name in sys.modules))"
    )

    async def status() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
        return await process.wait()

    assert asyncio.run(status()) == 0
