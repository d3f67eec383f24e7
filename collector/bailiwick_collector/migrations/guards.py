"""What the database itself refuses, whoever asks: changes, and looks at other tenants' rows.

The writer sets `bailiwick.tenant` for one transaction, to the tenant that a token proves. A
reader's tenant follows from who the reader is: nothing that a session can set has a part in it.
"""

from typing import Final

APPEND_ONLY: Final = (
    """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: no row is changed or deleted'
    USING ERRCODE = 'restrict_violation';
END $$""",
    *(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        for table in ("attempts", "adjustments")
    ),
    *(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        for table in ("attempts", "adjustments")
    ),
)

READERS: Final = (
    "CREATE TABLE readers (role name PRIMARY KEY, tenant text NOT NULL)",
    """
CREATE FUNCTION tenant_of(reader name) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = bailiwick, pg_temp AS
$$ SELECT tenant FROM readers WHERE role = reader $$""",
    "REVOKE ALL ON FUNCTION tenant_of(name) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION tenant_of(name) TO bailiwick_reader",
)

_BY_SETTING = "bailiwick_writer, bailiwick_auditor"
_SET = "tenant = (SELECT current_setting('bailiwick.tenant', true))"
_OWN = "tenant = (SELECT tenant_of(current_user))"

POLICIES: Final = (
    *(
        statement
        for table in ("attempts", "adjustments")
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY written ON {table} FOR INSERT TO bailiwick_writer WITH CHECK ({_SET})",
            f"CREATE POLICY looked_at ON {table} FOR SELECT TO {_BY_SETTING} USING ({_SET})",
            f"CREATE POLICY own ON {table} FOR SELECT TO bailiwick_reader USING ({_OWN})",
            f"GRANT SELECT ON {table} TO bailiwick_reader, bailiwick_auditor, bailiwick_writer",
        )
    ),
    "GRANT INSERT ON attempts TO bailiwick_writer",
    "GRANT SELECT ON schema_version TO bailiwick_writer, bailiwick_reader, bailiwick_auditor",
    "GRANT USAGE ON SCHEMA bailiwick TO bailiwick_writer, bailiwick_reader, bailiwick_auditor",
)
