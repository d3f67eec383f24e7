"""What `up` prints once it serves: a table, and lines that work when pasted."""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from bailiwick_cli.console import new_table, out, show_table
from bailiwick_cli.datadir import DEFAULT_DATA_DIR
from bailiwick_cli.up.gateway import Gateway
from bailiwick_cli.up.served import url
from bailiwick_contract.v1.tenant_config_pb2 import Route, TenantConfig


def show_gateways(gateways: Iterable[Gateway], configs: Mapping[str, TenantConfig]) -> None:
    """One line for each namespace: where it is served, and how it is."""
    table = new_table("namespace", "tenant", "URL", "metrics", "routes", "state")
    for gateway in gateways:
        place = gateway.place
        routes = [route.name for route in configs[place.namespace].routes]
        table.add_row(
            place.namespace,
            place.tenant,
            url(place.port),
            f"{url(place.metrics_port)}/metrics",
            ", ".join(routes) or "none",
            gateway.state.value,
        )
    show_table(table)


def show_trial(
    config: TenantConfig, *, port: int, token: str, team: str, alias: str, data_dir: Path
) -> None:
    """A token, a curl line, a Python snippet and a question to the ledger."""
    say = out().out
    body = f'{{"model": "{alias}", "messages": [{{"role": "user", "content": "Hello there"}}]}}'
    say(f"\nTry it in another terminal, as team {team} of tenant {config.tenant}:\n")
    say(f"TOKEN={token}\n")
    say(
        f'curl -sS {url(port)}/v1/chat/completions -H "Authorization: Bearer $TOKEN" '
        f"-H 'Content-Type: application/json' -d '{body}'\n"
    )
    say(f"TOKEN=$TOKEN {_shown(sys.executable)} -c '")
    say("import os, openai")
    say(f'client = openai.OpenAI(base_url="{url(port)}/v1", api_key=os.environ["TOKEN"])')
    say(f'messages = [{{"role": "user", "content": "Hello from {alias}, word by word"}}]')
    say(
        f'for chunk in client.chat.completions.create(model="{alias}", messages=messages, '
        "stream=True):"
    )
    say('    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")')
    say("print()'\n")
    program = _shown(Path(sys.executable).with_name("bailiwick"))
    where = "" if data_dir == DEFAULT_DATA_DIR.resolve() else f" --data-dir {_shown(data_dir)}"
    say(f"{program} ledger top{where}\n")


def _shown(program: str | Path) -> str:
    """The path, as short as it is from here, quoted for a shell."""
    relative = os.path.relpath(program)
    return shlex.quote(str(program) if relative.startswith("..") else relative)


def calls_port(configs: Iterable[TenantConfig], port: int) -> bool:
    """True where a provider of these configs is on this machine's `port`."""
    return any(
        provider.port == port and provider.host in ("127.0.0.1", "localhost")
        for config in configs
        for provider in config.providers
    )


def trial_of(config: TenantConfig) -> tuple[str, str] | None:
    """A team and an alias that it may call; None where no team may call anything."""
    for route in config.routes:
        for team in config.teams:
            if _may_call(config, route, team=team.name):
                named = route.name in route.aliases
                return team.name, route.name if named else route.aliases[0]
    return None


def _may_call(config: TenantConfig, route: Route, *, team: str) -> bool:
    open_tiers = {
        access.tier for access in config.model_access if not access.teams or team in access.teams
    }
    return (not route.teams or team in route.teams) and all(
        backend.tier in open_tiers for backend in route.backends
    )
