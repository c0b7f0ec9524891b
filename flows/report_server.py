"""Serves a home folder's index and reports, read-only, on 127.0.0.1: `python -m flows.report_server PORT`.

Other users of a machine reach 127.0.0.1 too, so every address begins with a secret token. Nothing else can be read: no
listing, no data, no model. A name must match as a whole, and a link that leads out of its folder is not followed.
"""

from __future__ import annotations

import hmac
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reports.index import INDEX, write_index
from tasks.errors import BadInput
from tasks.history import MONITORING

HOST = "127.0.0.1"
TOKEN = "BAKEOFF_REPORTS_TOKEN"
"""Environment variable with the token: an argument would be seen in the list of processes."""
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}"
_REPORT = re.compile(rf"(?P<folder>runs/{_NAME}|{MONITORING}/{_NAME}/{_NAME})/report\.html")
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(home: Path, token: str, address: str) -> Path | None:
    """Returns the file that an address (`/TOKEN/`, `/TOKEN/runs/NAME/report.html`) means; None if there is none."""
    given, _, rest = address.removeprefix("/").partition("?")[0].partition("/")
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        return None
    if rest in ("", INDEX):
        return _inside(home, home / INDEX)
    found = _REPORT.fullmatch(rest)
    if found is None:
        return None
    return _inside(home / found["folder"].partition("/")[0], home / found["folder"] / "report.html")


def _inside(folder: Path, path: Path) -> Path | None:
    """Returns the resolved path if it is a file and no link in it leads elsewhere, else None."""
    relative = path.relative_to(folder)
    real = path.resolve()
    return real if real == folder.resolve() / relative and real.is_file() else None


def server(home: Path, token: str, port: int) -> ThreadingHTTPServer:
    """Returns a server that is bound to the port; its `serve_forever` starts it. Port 0: any free port.

    Raises:
        BadInput: the port can't be used, such as one in use.
    """

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "bakeoff", ""
        timeout = 30  # s; else a silent connection would hold a thread for ever

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            # Against DNS rebinding: a foreign page whose host name leads to 127.0.0.1 sends that name.
            host = self.headers.get("Host", "").rpartition(":")[0]
            path = page(home, token, self.path) if host in (HOST, "localhost") else None
            content = path.read_bytes() if path else b"<!DOCTYPE html><title>Not found</title><p>Not found."
            self.send_response(200 if path else 404)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Logs nothing: a log line would contain the token."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise BadInput("the port can't be used", where=f"{HOST}:{port}", got=error.strerror) from None


def main(port: str) -> None:
    from flows.environment import home_folder

    home = home_folder()
    write_index(home)
    with server(home, os.environ[TOKEN], int(port)) as serving:
        serving.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
