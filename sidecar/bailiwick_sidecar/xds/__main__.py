"""`python -m bailiwick_sidecar.xds`: one Job on standard input, its Result on standard output."""

import sys

import msgspec

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.xds.job import Job, Result, result_of
from bailiwick_sidecar.xds.translate import translate


def main() -> None:
    """Translate, and end: what Envoy's messages take of memory goes with the process."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    try:
        result = result_of(translate(TenantConfig.FromString(job.config), job.runtime))
    except BailiwickError as error:
        result = Result(refusal=str(error))
    sys.stdout.buffer.write(msgspec.msgpack.encode(result))


if __name__ == "__main__":
    main()
