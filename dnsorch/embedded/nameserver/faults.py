"""Misbehaviour on purpose, for tests and for trying things out."""

from __future__ import annotations

from dataclasses import dataclass

import dns.name


@dataclass(frozen=True)
class Faults:
    """How a name server departs from what it should do; the default is not at all.

    A running server may be given another one at any moment; it holds from the next
    message on.
    """

    #: Judge UPDATEs as usual, answer NOERROR, and apply nothing.
    drop_updates: bool = False
    #: Leave RRs of these owner names out of UPDATEs without a word.
    ignore_names: frozenset[dns.name.Name] = frozenset()
    #: REFUSED for an UPDATE whose update section has one of these owner names.
    refuse_names: frozenset[dns.name.Name] = frozenset()
    #: REFUSED for every UPDATE.
    refuse_updates: bool = False
    #: SERVFAIL for every UPDATE.
    servfail_updates: bool = False
    #: Seconds between handling a message and answering it.
    answer_delay: float = 0.0
    #: Seconds between a secondary's seeing a new version and serving it; ``inf``
    #: is never. The version found first is served at once.
    lag: float = 0.0
