"""The zones API of PowerDNS 4.7 in a thread: what was seen of the real one, no more."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_KEY = "powerdns-api-key"
ZONES = "/api/v1/servers/localhost/zones/"
State = dict[tuple[str, str], dict[str, Any]]


class PowerDns:
    """The server's zone, what it was asked, and the handle to make it misbehave."""

    def __init__(self, zone: str) -> None:
        """Behave, with a zone that has an SOA and an NS RRset."""
        self.zone = zone
        self.url = ""
        self.api_key = API_KEY
        self.soa_edit_api = "DEFAULT"
        self.kind = "Native"
        self.serial = 1
        self.rrsets: State = {}
        for rtype, content in (
            ("SOA", f"ns1.{zone} hostmaster.{zone} 1 10800 3600 604800 3600"),
            ("NS", f"ns1.{zone}"),
        ):
            self.put(zone, rtype, content)
        self.requests: list[tuple[str, str, Any]] = []
        self.patches = 0
        self.ignored: str | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.status: int | None = None
        self.lock = threading.Lock()

    def put(
        self, name: str, rtype: str, *contents: str, disabled: bool = False
    ) -> None:
        """Give an RRset records, not by way of the API."""
        records = [{"content": each, "disabled": disabled} for each in contents]
        self.rrsets[name, rtype] = {"ttl": 300, "records": records}

    def get(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Return the zone."""
        zone: dict[str, Any] = {
            "name": self.zone,
            "kind": self.kind,
            "serial": self.serial,
            "soa_edit_api": self.soa_edit_api,
        }
        if query.get("rrsets") != ["false"]:
            wanted = query.get("rrset_name", [None])[0]
            zone["rrsets"] = [
                {"name": name, "type": rtype, "comments": [], **held}
                for (name, rtype), held in self.rrsets.items()
                if wanted in (None, name)
            ]
        return 200, zone

    def patch(self, body: Any) -> tuple[int, Any]:
        """Carry out all of a PATCH or nothing."""
        with self.lock:
            state = dict(self.rrsets)
            for each in body["rrsets"]:
                if error := _carry_out(state, each, self.zone, self.ignored):
                    return 422, {"error": error}
            self.rrsets = state
            self.serial += 1
            self.patches += 1
        self.answers.wait(10)
        return 204, None


def _carry_out(
    state: State, rrset: dict[str, Any], zone: str, ignored: str | None
) -> str | None:
    """Change ``state``; return what is wrong, in the server's words."""
    name, rtype = rrset["name"], rrset["type"]
    if not ("." + name).endswith("." + zone):
        return f"RRset {name} IN {rtype}: Name is out of zone"
    state.pop((name, rtype), None)
    if rrset["changetype"] == "DELETE":
        return None
    contents = [each["content"] for each in rrset["records"]]
    if len(set(contents)) != len(contents):
        return f"Duplicate record in RRset {name} IN {rtype}"
    others = {held for owner, held in state if owner == name}
    if others and (rtype == "CNAME" or "CNAME" in others):
        return f"RRset {name} IN {rtype}: Conflicts with pre-existing RRset"
    if name != ignored:
        state[name, rtype] = {"ttl": rrset["ttl"], "records": rrset["records"]}
    return None


class _Http(ThreadingHTTPServer):
    powerdns: PowerDns


class _Handler(BaseHTTPRequestHandler):
    """Closes each connection after its answer, as PowerDNS does."""

    server: _Http

    def do_GET(self) -> None:
        self._write(*self._answer("GET", None))

    def do_PATCH(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        self._write(*self._answer("PATCH", body))

    def _answer(self, method: str, body: Any) -> tuple[int, Any]:
        powerdns = self.server.powerdns
        url = urlsplit(self.path)
        powerdns.requests.append((method, self.path, body))
        if powerdns.status is not None:
            return powerdns.status, {"error": "words of the server"}
        if self.headers["X-API-Key"] != powerdns.api_key:
            return 401, "Unauthorized"
        if url.path != ZONES + powerdns.zone:
            return 404, "Not Found"
        if method == "GET":
            return powerdns.get(parse_qs(url.query))
        return powerdns.patch(body)

    def _write(self, status: int, answer: Any) -> None:
        octets = b"" if answer is None else json.dumps(answer).encode()
        if isinstance(answer, str):
            octets = answer.encode()
        # The client may have waited no longer.
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def running(zone: str, tls: ssl.SSLContext | None = None) -> Iterator[PowerDns]:
    """Run the server on a port of the loopback."""
    powerdns = PowerDns(zone)
    with _Http(("127.0.0.1", 0), _Handler) as http:
        http.powerdns = powerdns
        powerdns.url = f"http://127.0.0.1:{http.server_port}"
        if tls is not None:
            powerdns.url = powerdns.url.replace("http", "https")
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield powerdns
        finally:
            powerdns.answers.set()
            http.shutdown()
            thread.join()
