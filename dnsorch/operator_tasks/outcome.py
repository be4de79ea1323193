"""What an operator task found, for people: a sentence for each thing it looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How good a finding is, the best first."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


WORST_LAST = tuple(Level)


@dataclass(frozen=True)
class Finding:
    """What was found about one thing; those of one ``group`` stand together."""

    group: str
    about: str
    level: Level
    text: str


@dataclass(frozen=True)
class Outcome:
    """What a task returns, and the database keeps as JSON."""

    summary: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The level of the worst finding."""
        levels = (finding.level for finding in self.findings)
        return max(levels, key=WORST_LAST.index, default=Level.OK)

    def of(self, group: str) -> Outcome:
        """Return the part that is about one group."""
        own = (finding for finding in self.findings if finding.group == group)
        return Outcome(self.summary, tuple(own))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        rows = [
            {
                "group": each.group,
                "about": each.about,
                "level": each.level.value,
                "text": each.text,
            }
            for each in self.findings
        ]
        return {"summary": self.summary, "findings": rows}

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Outcome:
        """Return what :meth:`as_dict` was made of."""
        findings = (
            Finding(**{**row, "level": Level(row["level"])}) for row in data["findings"]
        )
        return cls(data["summary"], tuple(findings))
