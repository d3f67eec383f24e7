"""What may stand before a Vault: passes everything on, answers for itself, or is not there."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Front:
    """A load balancer; `status` is what it answers itself, None: it passes on."""

    def __init__(self, address: str) -> None:
        self._to = urlsplit(address).netloc
        self.status: int | None = None
        self.port = 0
        self.open()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Listen; a second time on the same port."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length) if length else None
                status, headers, text = outer.answer(self, body)
                self.send_response(status)
                for name, value in headers:
                    if name.lower() in ("content-type", "location"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        for verb in ("GET", "POST", "PUT", "DELETE", "LIST"):
            setattr(Handler, f"do_{verb}", Handler.handle_any)
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Refuse connections. Those that are open end with the caller's next request."""
        self._server.shutdown()
        self._server.server_close()

    def answer(
        self, asked: BaseHTTPRequestHandler, body: bytes | None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Vault's answer, or the front's own."""
        asked.close_connection = True
        if self.status is not None:
            return self.status, [("content-type", "text/html")], b"<html>no backend</html>"
        connection = http.client.HTTPConnection(self._to, timeout=10)
        try:
            headers = {name: value for name, value in asked.headers.items() if name != "Host"}
            connection.request(asked.command, asked.path, body, headers)
            said = connection.getresponse()
            return said.status, said.getheaders(), said.read()
        finally:
            connection.close()
