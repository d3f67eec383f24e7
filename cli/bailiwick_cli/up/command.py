"""`bailiwick up`: from files to gateways that serve, until Ctrl-C."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bailiwick_cli.console import err, note, warn
from bailiwick_cli.datadir import DataDir, locked, prepare
from bailiwick_cli.errors import CommandError, DataDirError
from bailiwick_cli.issuer import (
    AUDIENCE,
    DEVELOPMENT_ISSUER,
    SERVICE_ACCOUNT_ISSUER,
    SigningKey,
    signing_key,
    user_claims,
)
from bailiwick_cli.problems import counted, show, summary
from bailiwick_cli.resources import Checked, LocalIssuers, check, local_store
from bailiwick_cli.token import DEFAULT_USER
from bailiwick_cli.up.collecting import Collecting, collecting
from bailiwick_cli.up.echoing import EchoProvider
from bailiwick_cli.up.fleet import Fleet
from bailiwick_cli.up.ports import overlap
from bailiwick_cli.up.reload import START_S, Reload, to_serve
from bailiwick_cli.up.served import url, write_served
from bailiwick_cli.up.vaulted import vault_options
from bailiwick_cli.up.watching import edits
from bailiwick_cli.up.welcome import calls_port, show_gateways, show_trial, trial_of
from bailiwick_operator.compile.inputs import DevelopmentIssuer, ServiceAccountIssuer

TRIAL_TTL_S = 8 * 3600
REFRESH_S = 0.5
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What was asked for on the command line. `echo_port` None: no echo provider."""

    paths: tuple[Path, ...]
    namespaces: tuple[str, ...]
    port: int
    metrics_port: int
    secrets: Path | None
    data_dir: Path
    echo_port: int | None
    vault_address: str | None = None
    vault_token_file: Path | None = None
    quota_store: str | None = None
    collector: str | None = None
    collector_ca: Path | None = None
    collector_tokens: Path | None = None


class InvalidFilesError(CommandError):
    """The files that `up` was to serve are wrong; each mistake is on stderr."""


def serve(options: UpOptions) -> None:
    """Serve until Ctrl-C or SIGTERM; then no process is left.

    Raises:
        BailiwickError: it can't start; nothing is left running.
    """
    if sys.platform != "linux":
        raise CommandError(
            f"`bailiwick up` needs Linux, and this is {sys.platform}: "
            "use a Linux machine, a virtual machine or a container"
        )
    if options.secrets is not None and not options.secrets.is_file():
        raise CommandError(
            f"there is no secrets file {options.secrets}: check --secrets, or create it "
            "(YAML, mode 0600; see docs/cli.md)"
        )
    vault = vault_options(options.vault_address, options.vault_token_file, options.secrets)
    collector = collecting(options.collector, options.collector_ca, options.collector_tokens)
    data = prepare(options.data_dir)
    with locked(data):
        key = signing_key(data)
        checked = check(
            options.paths,
            issuers=_issuers(key),
            only=options.namespaces,
            quota_store=local_store(options.quota_store),
        )
        show(checked, console=err())
        if checked.violations:
            raise InvalidFilesError(f"{summary(checked)}: nothing is served")
        up = _Up(options=options, data=data, key=key, vault=vault, collector=collector)
        asyncio.run(up.run(checked))


def _issuers(key: SigningKey) -> LocalIssuers:
    return LocalIssuers(
        development=DevelopmentIssuer(
            issuer=DEVELOPMENT_ISSUER, audience=AUDIENCE, jwks_inline=key.jwks()
        ),
        service_accounts=ServiceAccountIssuer(
            issuer=SERVICE_ACCOUNT_ISSUER, jwks_inline=key.jwks()
        ),
    )


class _Up:
    """One run of the command."""

    def __init__(
        self,
        *,
        options: UpOptions,
        data: DataDir,
        key: SigningKey,
        vault: tuple[str, ...],
        collector: Collecting | None,
    ) -> None:
        self._options = options
        self._data = data
        self._key = key
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._told = ""
        self._fleet = Fleet(
            data=data,
            first_port=options.port,
            first_metrics_port=options.metrics_port,
            secrets=None if options.secrets is None else options.secrets.absolute(),
            vault=vault,
            collector=collector,
            say=_say,
        )

    async def run(self, checked: Checked) -> None:
        """Start, follow the files, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._told_to_stop)
        configs = to_serve(checked, only=self._options.namespaces)
        self._check_ports(sorted(configs))
        # The provider goes last: calls under way still need it.
        async with self._echo(), self._stopped_at_the_end():
            note(f"Starting {counted(len(configs), 'gateway')} …")
            starting = asyncio.create_task(self._start(checked))
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await self._follow(stopping)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)

    def _told_to_stop(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    def _check_ports(self, namespaces: list[str]) -> None:
        options = self._options
        wanted: list[tuple[str, int]] = []
        for offset, namespace in enumerate(namespaces):
            wanted.append((f"the gateway of {namespace}", options.port + offset))
            wanted.append((f"the metrics of {namespace}", options.metrics_port + offset))
        if options.echo_port is not None:
            wanted.append(("the echo provider", options.echo_port))
        overlap(wanted)

    @contextlib.asynccontextmanager
    async def _stopped_at_the_end(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if self._fleet.gateways:
                note("Stopping …")
            configs = dict(self._fleet.configs)
            await self._fleet.remove(list(self._fleet.gateways), hurry=self._hurry)
            with contextlib.suppress(DataDirError):
                write_served(self._data, (), configs, running=False)

    @contextlib.asynccontextmanager
    async def _echo(self) -> AsyncIterator[None]:
        if self._options.echo_port is None:
            yield
            return
        echo = EchoProvider(self._data, port=self._options.echo_port, say=_say)
        await echo.start()
        try:
            yield
        finally:
            await echo.stop()

    async def _start(self, checked: Checked) -> None:
        configs = to_serve(checked, only=self._options.namespaces)
        added = await self._fleet.add(configs)
        serving = await asyncio.gather(
            *(gateway.wait_serving(seconds=START_S) for gateway in added)
        )
        self._write()
        show_gateways(self._fleet.sorted(), self._fleet.configs)
        for gateway, serves in zip(added, serving, strict=True):
            if not serves:
                why = "; ".join(gateway.reasons()) or f"see {gateway.place.logs}"
                note(f"{gateway.place.namespace} does not serve yet: {why}")
        if (echo_port := self._options.echo_port) is not None:
            self._show_trial()
            if not calls_port(self._fleet.configs.values(), echo_port):
                warn(
                    f"no provider of these files is at 127.0.0.1:{echo_port}, so that the echo"
                    f" provider is never called: set a provider's baseURL to {url(echo_port)}/v1,"
                    " or give --echo-port the port that is there"
                )
        note("Edits of the files take effect at once. Ctrl-C stops.")

    def _show_trial(self) -> None:
        for gateway in self._fleet.sorted():
            config = self._fleet.configs[gateway.place.namespace]
            trial = trial_of(config)
            if trial is None:
                continue
            team, alias = trial
            claims = user_claims(
                tenant=config.tenant,
                team=team,
                project=None,
                user=DEFAULT_USER,
                now=int(time.time()),
                ttl=TRIAL_TTL_S,
            )
            token = self._key.sign(claims)
            show_trial(
                config,
                port=gateway.place.port,
                token=token,
                team=team,
                alias=alias,
                data_dir=self._data.root,
            )
            return

    async def _follow(self, stopping: asyncio.Task[bool]) -> None:
        """Obey edits until told to stop."""
        reload = Reload(self._fleet, only=self._options.namespaces, hurry=self._hurry)
        following = asyncio.create_task(self._obey(reload))
        refreshing = asyncio.create_task(self._refresh())
        try:
            await asyncio.wait(
                {following, refreshing, stopping}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in (following, refreshing):
                if task.done():
                    await task
        finally:
            for task in (following, refreshing):
                task.cancel()
            await asyncio.gather(following, refreshing, return_exceptions=True)

    async def _obey(self, reload: Reload) -> None:
        async for _ in edits(self._options.paths, ignore=self._data.root):
            # Nothing tells that a disk has room again.
            while not await self._obeyed(reload):  # noqa: ASYNC110 -- see above
                await asyncio.sleep(RETRY_S)

    async def _obeyed(self, reload: Reload) -> bool:
        """False where the edit could not be passed on, and must be tried again."""
        options = self._options
        checked = await asyncio.to_thread(
            check,
            options.paths,
            issuers=_issuers(self._key),
            only=options.namespaces,
            quota_store=local_store(options.quota_store),
        )
        try:
            if await reload.apply(checked):
                self._write()
        except DataDirError as error:
            self._unwritten(error)
            return False
        return True

    async def _refresh(self) -> None:
        """`up.json` is true again soon after a process was restarted."""
        while True:
            await asyncio.sleep(REFRESH_S)
            self._write()
            for gateway in self._fleet.sorted():
                gateway.report_config()

    def _write(self) -> None:
        """`up.json` is true, or it is told once that it is not: no gateway ends with it."""
        try:
            write_served(self._data, self._fleet.sorted(), self._fleet.configs)
        except DataDirError as error:
            self._unwritten(error)
        else:
            self._told = ""

    def _unwritten(self, error: DataDirError) -> None:
        if str(error) != self._told:
            self._told = str(error)
            _say(f"{error}; it is tried again")


def _say(message: str) -> None:
    # Standard error may be a file on a disk that is full: no reason to end.
    with contextlib.suppress(OSError):
        note(f"{time.strftime('%H:%M:%S')} {message}")
