"""What the compiler says and the agent understands are the same language."""

from pathlib import Path

import pytest
from compile.compile_cases import CASES, compile_case

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.admission.tables import tables
from bailiwick_sidecar.quota.limits import CompiledLimits


def configs(case: Path) -> list[TenantConfig]:
    return [
        result.config for result in compile_case(case).results.values() if result.config is not None
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.removesuffix(".in.yaml"))
def test_the_agent_takes_every_config_that_is_compiled(case: Path) -> None:
    """Routes, callers, prices and limits of each case compile into the agent's own tables."""
    for config in configs(case):
        found = tables(config)

        assert set(found.ways) == {alias for route in config.routes for alias in route.aliases}
        assert set(CompiledLimits.of(config.limits).by_id) == {one.id for one in config.limits}
