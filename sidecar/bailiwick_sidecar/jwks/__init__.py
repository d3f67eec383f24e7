"""Key sets of the issuers: fetched, filtered, kept through an outage."""
