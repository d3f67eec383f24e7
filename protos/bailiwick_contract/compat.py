"""Which versions of the contract's meaning this release speaks."""

CONTRACT_VERSION = 1


def accepts(version: int) -> bool:
    """True where a config of this contract version means here what its writer meant."""
    return version == CONTRACT_VERSION
