"""A PostgreSQL in the cluster, set up as docs/postgresql.md says, and what its ledger holds."""

from typing import Any

from e2e.client import Cluster
from e2e.vaulted import certificate

POSTGRES = "bailiwick-e2e-postgres"
"""Its namespace."""
HOST = f"postgres.{POSTGRES}.svc"
OWNER, WRITER = "bailiwick_owner", "ledger"
PASSWORD = "of-the-e2e"
LOGIN = "ledger-login"
"""The Secret with the collector's login."""

SERVE = f"""
set -eu
umask 077
cd /tmp
cp /tls/tls.crt /tls/tls.key /tmp/
echo {PASSWORD} >/tmp/password
[ -d /tmp/data ] || initdb -D /tmp/data -U super --auth-host=scram-sha-256 --auth-local=trust \\
  --pwfile=/tmp/password --no-sync --encoding=UTF8 --locale=C.UTF-8
echo 'hostssl all all all scram-sha-256' >>/tmp/data/pg_hba.conf
exec postgres -D /tmp/data -c listen_addresses='*' -c unix_socket_directories=/tmp \\
  -c ssl=on -c ssl_cert_file=/tmp/tls.crt -c ssl_key_file=/tmp/tls.key -c fsync=off
"""

SECURITY: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONFINED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def ca() -> str:
    """What the collector trusts."""
    return certificate(HOST)[0]


def manifests(image: str) -> list[dict[str, Any]]:
    """One pod with its data in an emptyDir, which listens by TLS."""
    crt, key = certificate(HOST)
    labels = {"app": "postgres"}
    container = {
        "name": "postgres",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SERVE],
        "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "/tmp"]}, "periodSeconds": 1},
        "securityContext": CONFINED,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "tls", "mountPath": "/tls"},
        ],
    }
    pod = {
        "terminationGracePeriodSeconds": 2,
        "securityContext": SECURITY,
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "tls", "secret": {"secretName": "postgres-tls"}},
        ],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "postgres-tls", "namespace": POSTGRES},
            "stringData": {"tls.crt": crt, "tls.key": key},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "postgres", "namespace": POSTGRES},
            "spec": {"selector": labels, "ports": [{"port": 5432}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "postgres", "namespace": POSTGRES},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]


def sql(cluster: Cluster, statement: str, *, database: str = "bailiwick") -> str:
    """What the statement prints, as the superuser."""
    line = ("psql", "-h", "/tmp", "-U", "super", "-d", database, "-v", "ON_ERROR_STOP=1")
    return cluster(
        "exec", f"--namespace={POSTGRES}", "deployment/postgres", "--", *line, "-Atc", statement
    )


def set_up(cluster: Cluster, operator_image: str, *, namespace: str) -> None:
    """Owner, database, schema and the collector's login; its Secret in this namespace."""
    owner = f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{PASSWORD}'"
    sql(cluster, owner, database="postgres")
    database = f"CREATE DATABASE bailiwick OWNER {OWNER} ENCODING 'UTF8' TEMPLATE template0"
    sql(cluster, database, database="postgres")
    cluster.apply(_migration(operator_image))
    where = (f"--namespace={POSTGRES}", "job/migrate")
    cluster("wait", *where, "--for=condition=Complete", "--timeout=120s", timeout=150)
    sql(cluster, f"CREATE ROLE {WRITER} LOGIN PASSWORD '{PASSWORD}' IN ROLE bailiwick_writer")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": LOGIN, "namespace": namespace},
        "stringData": {"username": WRITER, "password": PASSWORD},
    }
    cluster.apply([secret])


def _migration(image: str) -> list[dict[str, Any]]:
    url = f"postgresql://{OWNER}@{HOST}/bailiwick?sslmode=verify-full&sslrootcert=/tls/tls.crt"
    container = {
        "name": "migrate",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["bailiwick-collector", "migrate", "--database", url],
        "env": [{"name": "PGPASSWORD", "value": PASSWORD}],
        "securityContext": CONFINED,
        "volumeMounts": [
            {"name": "tls", "mountPath": "/tls"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": SECURITY,
        "containers": [container],
        "volumes": [
            {"name": "tls", "secret": {"secretName": "postgres-tls"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    return [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "migrate", "namespace": POSTGRES},
            "spec": {"backoffLimit": 3, "template": {"spec": pod}},
        }
    ]


def rows(cluster: Cluster, tenant: str) -> int:
    """How many rows of the tenant the ledger has."""
    return int(sql(cluster, f"SELECT count(*) FROM bailiwick.attempts WHERE tenant = '{tenant}'"))
