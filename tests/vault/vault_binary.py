"""Where the real Vault comes from: PATH, or built once (5 to 7 minutes on two cores)."""

from pathlib import Path

from tools import building

PACKAGE = "github.com/hashicorp/vault"
PLUGIN = "vault-plugin-auth-kubernetes"
PLUGIN_PACKAGE = f"github.com/hashicorp/{PLUGIN}/cmd/{PLUGIN}"
DATABASE_PLUGIN = "postgresql-database-plugin"
DATABASE_PLUGIN_PACKAGE = f"{PACKAGE}/plugins/database/postgresql/{DATABASE_PLUGIN}"


def find_or_build() -> Path:
    """The program; OpenBao's `bao` does, too, under the name vault."""
    return building.find_or_build("vault", "vault", PACKAGE, flags=("-tags", "minimal"))


def find_or_build_plugin() -> Path:
    """The Kubernetes auth method, which a minimal Vault does not have inside."""
    return building.find_or_build(PLUGIN, "vault", PLUGIN_PACKAGE)


def find_or_build_database_plugin() -> Path:
    """What makes logins of PostgreSQL for the database engine, likewise not inside."""
    return building.find_or_build(DATABASE_PLUGIN, "vault", DATABASE_PLUGIN_PACKAGE)


if __name__ == "__main__":
    print(find_or_build())
    print(find_or_build_plugin())
