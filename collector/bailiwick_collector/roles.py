"""The database's roles: who owns, who writes, and who reads which tenant."""

import re
from typing import Final

from psycopg import sql

from bailiwick_collector.errors import SettingsError

SCHEMA: Final = "bailiwick"
WRITER: Final = "bailiwick_writer"
"""Group of the collector's login: adds rows, looks at one proved tenant's at a time."""
READER: Final = "bailiwick_reader"
"""Group of all tenants' readers: each sees its own tenant."""
AUDITOR: Final = "bailiwick_auditor"
"""Group of the platform team's readers: any tenant, one at a time."""
ADJUSTER: Final = "bailiwick_adjuster"
"""Group of finance's logins: adds adjustments beside the rows that such a login may read."""
LONGEST: Final = 63
"""Bytes of a role's name in PostgreSQL."""
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def groups() -> tuple[sql.Composed, ...]:
    """Statements that make the groups where they are not there; they can't log in."""
    return tuple(
        sql.SQL(
            "DO $$ BEGIN CREATE ROLE {} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        ).format(sql.Identifier(name))
        for name in (WRITER, READER, AUDITOR, ADJUSTER)
    )


def reader_name(tenant: str, *, adjusts: bool = False) -> str:
    """The role that reads this tenant's rows, or reads and adjusts them.

    Raises:
        SettingsError: it can't be a tenant's name, or is too long for a role.
    """
    name = f"{ADJUSTER if adjusts else READER}_{tenant}"
    if not _NAME.fullmatch(tenant):
        raise SettingsError(f"{tenant!r} is no tenant's name: use that of the Tenant resource")
    if len(name) > LONGEST:
        raise SettingsError(
            f"a role for tenant {tenant!r} would have a name of {len(name)} bytes, PostgreSQL"
            f" takes {LONGEST}: make one of another name, as docs/postgresql.md shows"
        )
    return name


def reader(tenant: str, *, adjusts: bool = False) -> tuple[sql.Composed, ...]:
    """Statements, to be run by the schema's owner, that make the tenant's reader or adjuster.

    It may log in once it is given a password or a certificate, and sees nothing else.
    """
    name = reader_name(tenant, adjusts=adjusts)
    role = sql.Identifier(name)
    right = (
        sql.SQL("GRANT {} TO {}").format(sql.Identifier(ADJUSTER), role)
        if adjusts
        else sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role)
    )
    return (
        sql.SQL(
            "DO $$ BEGIN CREATE ROLE {} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        ).format(role),
        sql.SQL("GRANT {} TO {}").format(sql.Identifier(READER), role),
        sql.SQL("ALTER ROLE {} SET search_path = {}").format(role, sql.Identifier(SCHEMA)),
        right,
        sql.SQL(
            "INSERT INTO {}.readers (role, tenant) VALUES ({}, {}) ON CONFLICT (role) DO NOTHING"
        ).format(sql.Identifier(SCHEMA), sql.Literal(name), sql.Literal(tenant)),
    )
