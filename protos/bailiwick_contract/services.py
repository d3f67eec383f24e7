"""Names of the contract's gRPC methods, for generic handlers and stubs."""

CONFIG_STREAM_SERVICE = "bailiwick.contract.v1.ConfigStream"
CONFIG_STREAM_METHOD = "Stream"
CONFIG_STREAM_PATH = f"/{CONFIG_STREAM_SERVICE}/{CONFIG_STREAM_METHOD}"
"""Path of the one method, as `channel.stream_stream` takes it."""
