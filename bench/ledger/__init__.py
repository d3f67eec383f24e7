"""How fast the ledger in PostgreSQL takes rows and answers, and how an outage ends."""
