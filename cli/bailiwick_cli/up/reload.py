"""What an edit of the files changes: everything it says, or nothing at all."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from bailiwick_cli.console import err
from bailiwick_cli.errors import CommandError
from bailiwick_cli.problems import counted, show
from bailiwick_cli.resources import Checked
from bailiwick_cli.up.fleet import Fleet
from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig

START_S = 30.0


class NothingToServeError(CommandError):
    """The files are valid but describe no gateway that was asked for."""


def to_serve(checked: Checked, *, only: tuple[str, ...]) -> dict[str, TenantConfig]:
    """The configs of the namespaces that are served.

    Raises:
        NothingToServeError: there is none, or one that was asked for by name is missing.
    """
    missing = sorted(set(only) - checked.configs.keys())
    known = ", ".join(sorted(checked.configs)) or "none"
    if missing:
        raise NothingToServeError(
            f"no Tenant lists namespace {', '.join(missing)} (found: {known}): "
            "correct --namespace, or add it to spec.namespaces of a Tenant"
        )
    if not checked.configs:
        raise NothingToServeError(
            "these files have no Tenant with a namespace, so there is nothing to serve: "
            "add a Tenant with spec.namespaces (see docs/resources)"
        )
    return {name: checked.configs[name] for name in only or sorted(checked.configs)}


@dataclass(slots=True)
class Reload:
    """Brings a running fleet to what the files say."""

    fleet: Fleet
    only: tuple[str, ...]
    hurry: asyncio.Event
    _refused: str = field(default="")
    """What is wrong with the files now; empty where nothing is."""

    async def apply(self, checked: Checked) -> bool:
        """True where something changed. Wrong files are reported once and change nothing."""
        try:
            self._sound(checked)
            wanted = to_serve(checked, only=self.only)
        except BailiwickError as error:
            self._report(checked, str(error))
            return False
        recovered, self._refused = bool(self._refused), ""
        changed = await self._change(wanted)
        if recovered:
            self.fleet.say("the files are valid again")
        return changed

    def _sound(self, checked: Checked) -> None:
        if checked.violations:
            found = counted(len(checked.violations), "error")
            raise CommandError(f"edit refused ({found}): the config from before stays in force")

    def _report(self, checked: Checked, message: str) -> None:
        text = message + repr(checked.violations)
        if text == self._refused:
            return
        self._refused = text
        show(checked, console=err())
        self.fleet.say(message)

    async def _change(self, wanted: Mapping[str, TenantConfig]) -> bool:
        fleet = self.fleet
        # A namespace that changes hands gets a new gateway: nothing of one tenant's is kept in
        # the memory of another's.
        moved = [
            name
            for name, config in wanted.items()
            if name in fleet.configs and fleet.configs[name].tenant != config.tenant
        ]
        gone = sorted((fleet.gateways.keys() - wanted.keys()) | set(moved))
        told = [
            name
            for name in sorted(wanted.keys() - set(moved))
            if name in fleet.gateways and fleet.tell(wanted[name])
        ]
        for name in told:
            fleet.say(f"{name}: new config")
        if gone:
            fleet.say(f"{', '.join(gone)}: no longer served")
            await fleet.remove(gone, hurry=self.hurry)
        new = {name: wanted[name] for name in wanted if name not in fleet.gateways}
        if new:
            await self._start(new)
        return bool(told or gone or new)

    async def _start(self, new: Mapping[str, TenantConfig]) -> None:
        try:
            for gateway in await self.fleet.add(new):
                if await gateway.wait_serving(seconds=START_S):
                    place = gateway.place
                    self.fleet.say(f"{place.namespace}: serves on port {place.port}")
        except BailiwickError as error:
            self.fleet.say(str(error))
