"""Names of the contract's gRPC methods, for generic handlers and stubs."""

CONFIG_STREAM_SERVICE = "bailiwick.contract.v1.ConfigStream"
CONFIG_STREAM_METHOD = "Stream"
CONFIG_STREAM_PATH = f"/{CONFIG_STREAM_SERVICE}/{CONFIG_STREAM_METHOD}"
"""Path of the one method, as `channel.stream_stream` takes it."""

USAGE_SERVICE = "bailiwick.contract.v1.UsageCollector"
REPORT_METHOD = "Report"
REPORT_PATH = f"/{USAGE_SERVICE}/{REPORT_METHOD}"
"""As `channel.unary_unary` takes it."""
PERIOD_TOTALS_METHOD = "PeriodTotals"
PERIOD_TOTALS_PATH = f"/{USAGE_SERVICE}/{PERIOD_TOTALS_METHOD}"
"""As `channel.unary_stream` takes it."""
