"""Errors that the echo provider answers with, in OpenAI's shape."""

from http import HTTPStatus

from bailiwick_contract.errors import BailiwickError


class EchoError(BailiwickError):
    """An answer that is an error."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> dict[str, object]:
        """The error object that OpenAI's clients expect."""
        kind = (
            "invalid_request_error"
            if self.status < HTTPStatus.INTERNAL_SERVER_ERROR
            else "server_error"
        )
        return {
            "error": {
                "message": str(self),
                "type": "rate_limit_error" if self.status == HTTPStatus.TOO_MANY_REQUESTS else kind,
                "param": self.param,
                "code": self.code,
            }
        }
