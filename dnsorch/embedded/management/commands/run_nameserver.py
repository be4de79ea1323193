"""``manage.py run_nameserver``: the development name server as a process."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import dns.exception
import dns.name
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dnsorch import secrets
from dnsorch.embedded.nameserver import Faults, NameServer, tsig
from dnsorch.embedded.nameserver.errors import BadKeyText, NameServerError
from dnsorch.exceptions import SecretUnavailable


def address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[IPV6]:PORT``."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def owner_name(text: str) -> dns.name.Name:
    """Return an absolute name; a missing final dot is forgiven."""
    try:
        return dns.name.from_text(text)
    except dns.exception.DNSException as error:
        raise ArgumentTypeError(f"{text!r} is not a domain name: {error}") from None


def seconds(text: str) -> float:
    """Return a number of seconds, which may be ``inf``."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def read_key(text: str) -> Any:
    """Return the key ``NAME:ALGORITHM:SECRET``; a secret with a colon is a reference.

    Raises :class:`ArgumentTypeError`, which never has the secret in it.
    """
    name, _, rest = text.partition(":")
    algorithm, _, secret = rest.partition(":")
    try:
        if ":" in secret:
            secret = secrets.get(secret)
        return tsig.key(f"{name}:{algorithm}:{secret}")
    except (BadKeyText, SecretUnavailable) as error:
        raise ArgumentTypeError(str(error)) from None


def read_key_file(text: str) -> Any:
    """Return the key in a file. Raises :class:`ArgumentTypeError`."""
    try:
        return tsig.key(Path(text).read_text(encoding="utf-8"))
    except (BadKeyText, OSError, UnicodeDecodeError) as error:
        raise ArgumentTypeError(f"{text}: {error}") from None


class Command(BaseCommand):
    """Run an authoritative name server for development, in the foreground."""

    help = (
        "Run the development name server: authoritative, UDP and TCP, AXFR, UPDATE"
        " (RFC 2136) and TSIG. Zones outlive the process, also kill -9, in --data."
        " It is for loopback: queries and transfers are open to everyone."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--listen",
            type=address,
            default=("127.0.0.1", 5354),
            metavar="HOST:PORT",
            help="for UDP and TCP; port 0 is any free one (default: 127.0.0.1:5354)",
        )
        parser.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            help="keep zones and the log of UPDATEs, updates.jsonl, in this directory"
            " (default: forget all at the end)",
        )
        parser.add_argument(
            "--zone",
            type=owner_name,
            action="append",
            required=True,
            dest="zones",
            metavar="NAME",
            help="serve this zone; made with SOA and NS if --data has none of it"
            " (repeatable)",
        )
        self._add_key_arguments(parser)
        self._add_fault_arguments(parser)

    def _add_key_arguments(self, parser: CommandParser) -> None:
        """Declare where TSIG keys come from."""
        keys = parser.add_argument_group("TSIG keys; with any, UPDATEs must be signed")
        keys.add_argument(
            "--key-file",
            type=read_key_file,
            action="append",
            default=[],
            dest="keys",
            metavar="PATH",
            help="file with a key clause as tsig-keygen writes it, or one line"
            " NAME:ALGORITHM:BASE64 (repeatable)",
        )
        keys.add_argument(
            "--key",
            type=read_key,
            action="append",
            default=[],
            dest="keys",
            metavar="NAME:ALGORITHM:SECRET",
            help="key whose secret is a reference, env:NAME or file:PATH, or Base64,"
            " which everyone can read in the list of processes (repeatable)",
        )

    def _add_fault_arguments(self, parser: CommandParser) -> None:
        """Declare the ways to be less than a good primary."""
        secondary = parser.add_argument_group("secondary")
        secondary.add_argument(
            "--secondary-of",
            type=address,
            metavar="HOST:PORT",
            help="fetch the zones from this primary and follow it; nothing is kept",
        )
        secondary.add_argument(
            "--lag",
            type=seconds,
            default=0.0,
            metavar="SECONDS",
            help="serve each new version that much later; inf is never (default: 0)",
        )
        faults = parser.add_argument_group("misbehaviour, for tests")
        for option, text in {
            "--drop-updates": "answer NOERROR to UPDATEs and apply nothing",
            "--refuse-updates": "answer REFUSED to every UPDATE",
            "--servfail-updates": "answer SERVFAIL to every UPDATE",
        }.items():
            faults.add_argument(option, action="store_true", help=text)
        for option, text in {
            "--ignore-name": "leave RRs of this owner name out of UPDATEs (repeatable)",
            "--refuse-name": "answer REFUSED to UPDATEs of this name (repeatable)",
        }.items():
            faults.add_argument(
                option,
                type=owner_name,
                action="append",
                default=[],
                dest=option.removeprefix("--").replace("-", "_") + "s",
                metavar="NAME",
                help=text,
            )
        faults.add_argument(
            "--answer-delay",
            type=seconds,
            default=0.0,
            metavar="SECONDS",
            help="answer everything that much later (default: 0)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT; :class:`CommandError` if it cannot start."""
        server = NameServer(
            [zone.to_text() for zone in options["zones"]],
            keyring=tsig.keyring(options["keys"]),
            data_dir=options["data"],
            faults=Faults(
                drop_updates=options["drop_updates"],
                ignore_names=frozenset(options["ignore_names"]),
                refuse_names=frozenset(options["refuse_names"]),
                refuse_updates=options["refuse_updates"],
                servfail_updates=options["servfail_updates"],
                answer_delay=options["answer_delay"],
                lag=options["lag"],
            ),
            primary=options["secondary_of"],
        )
        try:
            asyncio.run(self._serve(server, *options["listen"]))
        except (NameServerError, OSError, dns.exception.DNSException) as error:
            raise CommandError(str(error)) from None

    async def _serve(self, server: NameServer, host: str, port: int) -> None:
        """Start, say where, and serve until a signal comes."""
        end = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end.set)
        await server.start(host, port)
        try:
            self.stdout.write("Listening on {}:{}".format(*server.address))
            self.stdout.flush()
            await end.wait()
        finally:
            await server.stop()
