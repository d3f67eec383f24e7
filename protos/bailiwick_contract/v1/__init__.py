"""Generated messages of the contract, version 1."""
