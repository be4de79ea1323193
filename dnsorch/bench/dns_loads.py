"""Jobs of clients that speak DNS, by dnspython: probes of the service, and floors."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import dns.zone
import psutil

HOST = "127.0.0.1"
#: An UPDATE of so many A records is about as large as a message may be.
MOST = 1000
PATIENCE_S = 30.0
PAUSE_S = 0.001
FINAL = {"completed", "failed", "rejected", "cancelled"}


def probe(job: Mapping[str, Any]) -> dict[str, Any]:
    """Post each body; tell how long until DNS and tracker show what it asked for.

    ``first`` is the update server's answer, ``all`` that of every name server, and
    ``completed`` the tracker's, which is looked at after that.
    """
    url = urlsplit(job["url"])
    headers = {
        "Authorization": f"Bearer {job['token']}",
        "Content-Type": "application/json",
    }
    found: dict[str, Any] = {"first": [], "all": [], "completed": []}
    with closing(HTTPConnection(url.netloc, timeout=PATIENCE_S)) as connection:
        for name, address, body in job["probes"]:
            begin = time.perf_counter()
            connection.request("POST", url.path, body.encode(), headers)
            answer = json.loads(connection.getresponse().read())
            for index, port in enumerate(job["ports"]):
                _await(name, address, port)
                if not index:
                    found["first"].append(time.perf_counter() - begin)
            found["all"].append(time.perf_counter() - begin)
            path = f"/api/v2/requests/{answer['id']}/"
            while True:
                connection.request("GET", path, headers=headers)
                state = json.loads(connection.getresponse().read())["status"]
                if state in FINAL:
                    break
                assert time.perf_counter() < begin + PATIENCE_S, f"{name} is {state}"
                time.sleep(PAUSE_S)
            assert state == "completed", f"{name} is {state}"
            found["completed"].append(time.perf_counter() - begin)
    return found


def update(job: Mapping[str, Any]) -> dict[str, Any]:
    """Send records in UPDATEs by one connection, full ones unless ``singly``.

    ``zones`` maps each zone to its records, name and address. After each message of
    ``singly``, and after the last one, the name servers are asked for what it wrote.
    """
    key = dns.tsig.Key(*job["key"])
    found: dict[str, Any] = {"first": [], "all": []}
    began = time.time()
    with closing(socket.create_connection((HOST, job["ports"][0]))) as connection:
        for zone, records in job["zones"].items():
            size = 1 if job["singly"] else MOST
            for start in range(0, len(records), size):
                begin = time.perf_counter()
                some = records[start : start + size]
                _send(connection, zone, some, key)
                name, address = some[-1]
                if job["singly"]:
                    _await(name, address, job["ports"][0])
                    found["first"].append(time.perf_counter() - begin)
                    _await(name, address, job["ports"][1])
                    found["all"].append(time.perf_counter() - begin)
    for port in job["ports"]:
        _await(name, address, port)
    return {**found, "began": began, "ended": time.time()}


def transfer(job: Mapping[str, Any]) -> dict[str, Any]:
    """Transfer a zone into memory; tell the seconds, and the memory then, in MiB."""
    query = dns.message.make_query(job["zone"], "AXFR")
    query.use_tsig(dns.tsig.Key(*job["key"]))
    held = dns.zone.Zone(job["zone"], relativize=False)
    begin = time.perf_counter()
    dns.query.inbound_xfr(HOST, held, query, job["ports"][0], timeout=PATIENCE_S)
    seconds = time.perf_counter() - begin
    # All of it is still held: no peak was higher.
    mib = psutil.Process().memory_full_info().pss / 1024**2
    return {"seconds": seconds, "mib": mib, "names": len(held.nodes)}


def _send(
    connection: socket.socket,
    zone: str,
    records: Sequence[tuple[str, str]],
    key: dns.tsig.Key,
) -> None:
    message = dns.update.UpdateMessage(zone)
    message.use_tsig(key)
    for name, address in records:
        message.add(name, 300, "A", address)
    answer = dns.query.tcp(message, HOST, PATIENCE_S, sock=connection)
    assert answer.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(answer.rcode())


def _await(name: str, address: str, port: int) -> None:
    deadline = time.perf_counter() + PATIENCE_S
    while True:
        question = dns.message.make_query(name, "A", flags=0)
        answer = dns.query.udp(question, HOST, PATIENCE_S, port).answer
        if answer and answer[0][0].to_text() == address:
            return
        assert time.perf_counter() < deadline, f"{name} is not at port {port}"
        time.sleep(PAUSE_S)
