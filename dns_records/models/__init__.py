"""What dnsorch knows about DNS: where it is served, what is wanted, what was sent."""

from dns_records.models.backend import Backend
from dns_records.models.change import Action, Change, ChangeStatus
from dns_records.models.drift import AuditKind, AuditTask, Drift, DriftKind
from dns_records.models.lane import Batch, BatchStatus, Lane, LaneState
from dns_records.models.rrset import OwnerName, Record, RRset
from dns_records.models.schedule import ScheduledChange
from dns_records.models.zone import Fencing, Mode, PtrPolicy, VerifyPolicy, Zone
from dns_records.models.zone_import import (
    ImportFile,
    ImportPart,
    ImportPhase,
    ImportSource,
    ZoneImport,
)

__all__ = [
    "Action",
    "AuditKind",
    "AuditTask",
    "Backend",
    "Batch",
    "BatchStatus",
    "Change",
    "ChangeStatus",
    "Drift",
    "DriftKind",
    "Fencing",
    "ImportFile",
    "ImportPart",
    "ImportPhase",
    "ImportSource",
    "Lane",
    "LaneState",
    "Mode",
    "OwnerName",
    "PtrPolicy",
    "RRset",
    "Record",
    "ScheduledChange",
    "VerifyPolicy",
    "Zone",
    "ZoneImport",
]
