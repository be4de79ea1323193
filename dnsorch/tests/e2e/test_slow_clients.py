"""Clients that send slowly, or not at all, against the server as a process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from dnsorch.tests.e2e.harness import Stack, record, until

# Twice as many as the server has threads.
CLIENTS = 16
LENGTHS = {"length": "Content-Length: 1000", "chunked": "Transfer-Encoding: chunked"}


@contextmanager
def unfinished(
    stack: Stack, *lines: str, end: str = "", count: int = CLIENTS
) -> Iterator[None]:
    """Hold connections on which a request has begun and does not go on."""
    host, _, port = stack.about["api"].removeprefix("http://").partition(":")
    text = "\r\n".join([*lines, f"Host: {host}"]) + "\r\n" + end
    with ExitStack() as held:
        for _ in range(count):
            sock = socket.create_connection((host, int(port)), timeout=10)
            held.enter_context(sock).sendall(text.encode())
        yield


def is_alive(stack: Stack) -> bool:
    """Say whether somebody else gets an answer in time."""
    return httpx.get(f"{stack.about['api']}/livez", timeout=10).status_code == 200


def test_headers_that_never_end_hold_nobody_up(stack: Stack) -> None:
    with unfinished(stack, "GET /livez HTTP/1.1", count=200):
        assert is_alive(stack)


@pytest.mark.parametrize("length", sorted(LENGTHS))
@pytest.mark.parametrize("known", [False, True])
def test_bodies_that_never_come_hold_nobody_up(
    stack: Stack, length: str, known: bool
) -> None:
    token = stack.about["token"] if known else "nobody"
    lines = [
        "POST /api/v2/changesets/ HTTP/1.1",
        "Content-Type: application/json",
        f"Authorization: Bearer {token}",
        LENGTHS[length],
    ]
    # The empty line ends the headers: the body is what is missing.
    with unfinished(stack, *lines, end="\r\n"):
        assert is_alive(stack)

    def written() -> bool | None:
        with stack.client() as client:
            body = record(f"{length}-{known}.example.test.".lower(), "192.0.2.1")
            return client.post("/api/v1/dns-records/", json=body).status_code == 202

    # Once they are gone, so is what held them.
    assert until(lambda: written() or None, "a write is taken")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET /livez?{'a' * 100_000} HTTP/1.1", 414),
        (f"GET /livez HTTP/1.1\r\nX-Long: {'a' * 1_000_000}", 431),
        ("GET /livez HTTP/1.1\r\n" + "\r\n".join(["X-Many: a"] * 300), 431),
        ("GET /livez HTTP/1.1\r\nContent-Length: -1", 400),
    ],
)
def test_what_the_server_itself_refuses(stack: Stack, head: str, status: int) -> None:
    host, _, port = stack.about["api"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(f"{head}\r\nHost: {host}\r\n\r\n".encode())
        assert sock.recv(100).split()[1] == str(status).encode()
