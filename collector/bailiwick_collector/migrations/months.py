"""One partition for each month (UTC), made ahead by a function that the writer may call.

A partitioned table's primary key must hold the column that it is divided by, so the key is
(tenant, stream_id, attempt, admitted_at). It is as strict as without the last: a row's moment of
admission is in the journal before the attempt leaves, and every delivery reads it from there.
"""

from collections.abc import Collection
from typing import Final

KEY: Final = "PRIMARY KEY (tenant, stream_id, attempt)"

MONTHS: Final = (
    # Rows of months without a partition are kept in attempts_elsewhere. A month of which rows are
    # there already stays there: queries see no difference.
    """
CREATE FUNCTION make_months(first timestamptz, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bailiwick, pg_temp AS $$
DECLARE
  month timestamp; name text; low bigint; high bigint; made integer := 0;
BEGIN
  IF months > 120 THEN
    RAISE EXCEPTION 'no more than 120 months at once';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('bailiwick.make_months'));
  FOR i IN 0 .. months - 1 LOOP
    month := date_trunc('month', first AT TIME ZONE 'UTC') + make_interval(months => i);
    name := 'attempts_' || to_char(month, 'YYYY_MM');
    low := extract(epoch FROM month AT TIME ZONE 'UTC')::bigint * 1000;
    high := extract(epoch FROM (month + interval '1 month') AT TIME ZONE 'UTC')::bigint * 1000;
    IF to_regclass(name) IS NULL THEN
      BEGIN
        EXECUTE format(
          'CREATE TABLE %I PARTITION OF attempts FOR VALUES FROM (%s) TO (%s)', name, low, high);
        made := made + 1;
      EXCEPTION WHEN check_violation THEN
        RAISE WARNING 'rows of % are in attempts_elsewhere and stay there', name;
      END;
    END IF;
  END LOOP;
  RETURN made;
END $$""",
    "REVOKE ALL ON FUNCTION make_months(timestamptz, integer) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION make_months(timestamptz, integer) TO bailiwick_writer",
    "SELECT make_months(now() - interval '1 month', 5)",
)


def partition_by_month(create: str) -> str:
    """The statement with which PostgreSQL makes the table, divided by its rows' admission."""
    text = create.rstrip()
    if text.count(KEY) != 1 or not text.endswith(")"):
        raise AssertionError("the schema's table is not as this step expects it")
    whole = KEY.removesuffix(")") + ", admitted_at)"
    return f"{text.replace(KEY, whole)} PARTITION BY RANGE (admitted_at)"


def without(create: str, columns: Collection[str]) -> str:
    """The statement as it was before these columns came: later steps add them."""
    lines = create.splitlines()
    return "\n".join(line for line in lines if line.strip().split(" ", 1)[0] not in columns)
