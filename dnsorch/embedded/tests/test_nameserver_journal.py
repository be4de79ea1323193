"""What is on disk: journal, zone file, update log, and what a crash leaves of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnsorch.embedded.nameserver import AppliedUpdate, Record, journal
from dnsorch.embedded.nameserver import zone as zones
from dnsorch.embedded.nameserver.errors import (
    DataDirectoryTaken,
    JournalCorrupt,
    JournalMismatch,
)
from dnsorch.embedded.nameserver.store import Store


def update(serial: int, *, zone: str = "example.test.") -> AppliedUpdate:
    """Return an update that leaves one TXT RR, whose text is the serial."""

    def record(number: int) -> Record:
        return Record(f"now.{zone}", 60, "TXT", f'"{number}"')

    return AppliedUpdate(
        at="2026-01-01T00:00:00+00:00",
        zone=zone,
        serial=serial,
        client="192.0.2.1:53",
        key=None,
        adds=(record(serial),),
        deletes=(record(serial - 1),) if serial > 2 else (),
    )


class Disk:
    """A data directory and what is in it."""

    def __init__(self, directory: Path, zone: str = "example.test") -> None:
        """Name its files; the zone is fresh, with serial 1."""
        self.directory = directory
        self.origin = f"{zone}."
        self.zone_file = directory / "zones" / f"{zone.replace('/', '%2F')}.zone"
        self.journal = self.zone_file.with_suffix(".journal")

    def run(self, *updates: AppliedUpdate, log: bool = True) -> tuple[int, list[str]]:
        """Start, apply the updates and stop; return serial and TXT as at the start."""
        store = Store(self.directory)
        try:
            zone, opened = store.open_zone(zones.fresh(self.origin))
            for each in updates:
                opened.append(each)
                if log:
                    store.log(each)
            opened.close()
        finally:
            store.close()
        texts = [
            rdata.to_text()
            for _, rdataset in zone.iterate_rdatasets("TXT")
            for rdata in rdataset
        ]
        return zones.serial_of(zones.current(zone)), texts

    def logged(self) -> list[tuple[str, int]]:
        """Return zone and serial of each line of the update log."""
        text = (self.directory / "updates.jsonl").read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        return [(line["zone"], line["serial"]) for line in lines]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """A data directory that does not exist yet."""
    return Disk(tmp_path / "data")


def test_round_trip(tmp_path: Path) -> None:
    """The journal gives back what was appended, in order."""
    path = tmp_path / "journal"
    written = [update(2), update(3)]
    opened = journal.Journal(path, 1)
    for each in written:
        opened.append(each)
    opened.close()
    assert journal.read(path) == (1, written)


def test_restart(disk: Disk) -> None:
    """A zone comes back as it was left, also the second time, and the log goes on."""
    assert disk.run(update(2), update(3)) == (1, [])
    assert disk.run(update(4)) == (3, ['"3"'])
    assert disk.run() == (4, ['"4"'])
    assert disk.run() == (4, ['"4"'])
    assert disk.logged() == [("example.test.", serial) for serial in (2, 3, 4)]


def test_compaction(disk: Disk) -> None:
    """After a start the zone file has everything and the journal nothing."""
    disk.run(update(2), update(3))
    disk.run()
    assert journal.read(disk.journal) == (3, [])
    assert 'now.example.test. 60 IN TXT "3"' in disk.zone_file.read_text()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_unfinished_last_entry(disk: Disk, cut: int) -> None:
    """A write cut short anywhere costs the last entry and nothing else."""
    disk.run(update(2), update(3), log=False)
    disk.journal.write_bytes(disk.journal.read_bytes()[:-cut])
    assert disk.run() == (2, ['"2"'])
    assert disk.logged() == [("example.test.", 2)]


def test_garbled_last_entry(disk: Disk) -> None:
    """An entry of the right length with the wrong octets is unfinished, too."""
    disk.run(update(2), update(3))
    disk.journal.write_bytes(disk.journal.read_bytes()[:-4] + bytes(4))
    assert disk.run() == (2, ['"2"'])


def test_damaged_entry_in_the_middle(disk: Disk) -> None:
    """Damage before the last entry would lose acknowledged updates: no start."""
    disk.run(update(2), update(3))
    data = bytearray(disk.journal.read_bytes())
    data[60] ^= 1
    disk.journal.write_bytes(data)
    with pytest.raises(JournalCorrupt):
        disk.run()


def test_crash_between_zone_file_and_journal(disk: Disk) -> None:
    """A journal that the zone file has in it already is not applied again."""
    disk.run(update(2), update(3))
    old = disk.journal.read_bytes()
    disk.run()
    disk.journal.write_bytes(old)
    assert disk.run() == (3, ['"3"'])
    assert disk.run() == (3, ['"3"'])


def test_journal_of_another_zone_file(disk: Disk) -> None:
    """A journal that does not continue the zone file stops the start."""
    disk.run(update(2))
    disk.zone_file.write_text(disk.zone_file.read_text().replace(" 1 3600", " 7 3600"))
    with pytest.raises(JournalMismatch, match="continues serial 1"):
        disk.run()


def test_failed_write_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error of the disk the next entry takes the place of the failed one."""
    path = tmp_path / "journal"
    opened = journal.Journal(path, 1)

    def fail(descriptor: int) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="no space"):
            opened.append(update(2))
    kept = update(2, zone="b.test.")
    opened.append(kept)
    opened.close()
    assert journal.read(path) == (1, [kept])


def test_log_is_completed_from_the_journal(disk: Disk) -> None:
    """What a crash kept out of the log, or cut off in it, is there after a start."""
    disk.run(update(2))
    disk.run(update(3), update(4), log=False)
    log = disk.directory / "updates.jsonl"
    log.write_bytes(log.read_bytes() + b'{"at":"2026')
    disk.run()
    assert disk.logged() == [("example.test.", serial) for serial in (2, 3, 4)]


def test_zone_name_with_a_slash(tmp_path: Path) -> None:
    """A name as in RFC 2317 is a file name, too."""
    disk = Disk(tmp_path, "0/25.2.0.192.in-addr.arpa")
    disk.run(update(2, zone="0/25.2.0.192.in-addr.arpa."))
    assert disk.run() == (2, ['"2"'])


def test_one_server_per_directory(disk: Disk) -> None:
    """A directory in use is not touched by a second server."""
    store = Store(disk.directory)
    with pytest.raises(DataDirectoryTaken):
        Store(disk.directory)
    store.close()
    Store(disk.directory).close()
