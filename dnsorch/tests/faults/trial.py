"""One scenario from start to verdict, and the table of all of them."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from django.conf import settings

from dnsorch.tests.faults import checker
from dnsorch.tests.faults.checker import Violation
from dnsorch.tests.faults.evidence import Evidence
from dnsorch.tests.faults.gather import Observer
from dnsorch.tests.faults.stack import FaultStack
from dnsorch.tests.faults.update_log import Added
from dnsorch.tests.faults.workload import Workload

BOUND_S = 30.0
_REPLAYS = """
SELECT count(*) FROM requests_tracker_requestevent AS event
JOIN requests_tracker_request AS request ON request.id = event.request_id
WHERE step = 'replayed' AND idempotency_key LIKE %s
"""
DIRECTORY: Path = settings.BASE_DIR / "var" / "faults"


@dataclass
class Row:
    """A line of the table."""

    scenario: str
    faults: int
    acknowledged: int
    completed: int
    failed: dict[str, int]
    lost: int
    reordered: int
    doubled: int
    recovery_s: float | None
    violations: list[str] = field(default_factory=list)


def row(name: str, faults: int, evidence: Evidence, found: list[Violation]) -> Row:
    """Return the line of one run."""
    known = {request.id for request in evidence.requests}
    keys = {request.key for request in evidence.requests}
    acknowledged = [
        asked
        for asked in evidence.asked
        if asked.request_id is not None or asked.door == "kafka"
    ]
    lost = [
        asked
        for asked in acknowledged
        if (asked.request_id or "") not in known and asked.key not in keys
    ]
    states = Counter(request.status for request in evidence.requests)
    return Row(
        scenario=name,
        faults=faults,
        acknowledged=len(acknowledged),
        completed=states["completed"],
        failed=dict(Counter(each.error for each in evidence.requests if each.error)),
        lost=len(lost),
        reordered=sum(each.invariant == "I3" for each in found),
        doubled=sum(each.invariant in ("I4", "I7") for each in found),
        recovery_s=evidence.recovery_s,
        violations=[f"{each.invariant}: {each.detail}" for each in found],
    )


@dataclass
class Trial:
    """A run of one scenario: a workload, faults, and what became of it."""

    stack: FaultStack
    name: str
    zones: list[str]
    seed: int
    bound_s: float = BOUND_S
    rest: int = 2
    kafka: int = 1
    faults: int = 0
    workload: Workload = field(init=False)
    observer: Observer = field(init=False)
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        """Make a workload with names of its own."""
        words = re.sub("[^a-z0-9]+", "-", self.name.lower())
        label = f"{words}-{uuid.uuid4().hex[:6]}"
        self.workload = Workload(
            self.stack, label, self.zones, self.seed, self.rest, self.kafka
        )
        self.observer = Observer(self.stack, self.workload)

    def arm(self, *entries: str) -> list[Path]:
        """Arm failpoints, each of which is a fault."""
        self.faults += sum("=" in entry for entry in entries)
        return self.stack.arm(*entries)

    def write(self, count: int) -> None:
        """Have each writer write ``count`` more numbers."""
        self.workload.write(count)

    def go_on(self, seconds: float = BOUND_S) -> None:
        """Wait until all is done although the fault is still there."""
        quiet = self.observer.await_quiet(seconds, revive=False)
        assert quiet is not None, "not all is done while the fault lasts"

    def judge(self, *, heal: bool = True) -> list[Violation]:
        """Heal, wait until all is quiet, gather the evidence and check it."""
        if heal:
            self.stack.heal()
        recovery_s = self.observer.await_quiet(self.bound_s, revive=heal)
        self.evidence = self.observer.evidence(recovery_s, self.bound_s)
        return checker.check(self.evidence)

    def texts(self, name: str) -> list[str]:
        """Return what its server added at a name, in order."""
        return [each.text for each in self.observer.added() if each.name == name]

    def accepted(self) -> dict[str, list[int]]:
        """Return what was accepted at each name, in that order."""
        found: dict[str, list[int]] = {name: [] for name in self.workload.names}
        for change in sorted(self.evidence.changes):
            found[change.name].append(change.number)
        return found

    def replays(self) -> int:
        """Return how often a client was told again what it had been told before."""
        return int(self.stack.rows(_REPLAYS, f"{self.workload.label}-%")[0][0])

    def applied_twice(self) -> list[Added]:
        """Return what a name server added more than once."""
        found = Counter(
            added
            for added in self.observer.added()
            if added.name in self.workload.names
        )
        return [added for added, count in found.items() if count > 1]

    def keep(self, violations: list[Violation]) -> str:
        """Keep logs, history and evidence; return what to print about them."""
        directory = DIRECTORY / self.workload.label
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for log in self.stack.directory.glob("*.log"):
            shutil.copy(log, directory)
        shutil.copy(self.stack.services / "bind" / "log", directory / "bind.log")
        served = [
            [server, name, sorted(texts)]
            for (server, name), texts in self.evidence.served.items()
        ]
        evidence = asdict(replace(self.evidence, served={})) | {"served": served}
        text = json.dumps(evidence, indent=1)
        (directory / "evidence.json").write_text(text + "\n")
        lines = [f"seed {self.seed}; logs, history and update log are in {directory}"]
        lines += [f"{each.invariant}: {each.detail}" for each in violations]
        ids = {key for each in violations for key in each.request_ids}
        for key in sorted(ids)[:3]:
            lines += [f"timeline of {key}", *self.observer.timeline(key)]
        return "\n".join(lines)


class Table:
    """The lines of a session; printed at its end and kept as JSON."""

    def __init__(self) -> None:
        """Begin without a line."""
        self.rows: list[Row] = []

    @contextmanager
    def trial(self, make: Callable[[], Trial]) -> Iterator[Trial]:
        """Run a scenario; afterwards every invariant has to hold.

        On failure, whatever it is, the evidence is kept.
        """
        trial = make()
        try:
            yield trial
        except BaseException:
            print(trial.keep(trial.judge()))
            raise
        violations = trial.judge()
        self.rows.append(row(trial.name, trial.faults, trial.evidence, violations))
        assert not violations, trial.keep(violations)

    def text(self, seed: int) -> str:
        """Return the table for people."""
        head = (
            f"{'scenario':<28}{'faults':>7}{'acked':>7}{'done':>6}{'failed':>7}"
            f"{'lost':>6}{'reord':>6}{'doubled':>8}{'recovery':>10}"
        )
        lines = [f"faults, seed {seed}", head]
        for each in self.rows:
            took = "never" if each.recovery_s is None else f"{each.recovery_s:.1f} s"
            lines.append(
                f"{each.scenario:<28}{each.faults:>7}{each.acknowledged:>7}"
                f"{each.completed:>6}{sum(each.failed.values()):>7}{each.lost:>6}"
                f"{each.reordered:>6}{each.doubled:>8}{took:>10}"
            )
            lines += [f"    failed: {reason}" for reason in each.failed]
            lines += [f"    {text}" for text in each.violations]
        return "\n".join(lines)

    def markdown(self) -> str:
        """Return the table for the docs: a line a scenario, however often run."""
        lines = [
            "| scenario | faults | acknowledged | completed | failed | lost "
            "| reordered | doubled | recovery |",
            "|---" * 9 + "|",
        ]
        names = {each.scenario for each in self.rows}
        for name in sorted(names, key=_in_order):
            own = [each for each in self.rows if each.scenario == name]
            failed = sum((Counter(each.failed) for each in own), Counter[str]())
            slowest = max((each.recovery_s or 0 for each in own), default=0)
            cells = [
                name,
                sum(each.faults for each in own),
                sum(each.acknowledged for each in own),
                sum(each.completed for each in own),
                ", ".join(f"{n} {code}" for code, n in failed.items()) or 0,
                sum(each.lost for each in own),
                sum(each.reordered for each in own),
                sum(each.doubled for each in own),
                f"{slowest:.1f} s",
            ]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
        return "\n".join(lines)

    def keep(self, seed: int) -> Path:
        """Write the table as JSON, and as Markdown beside it; return where."""
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        path = DIRECTORY / f"report-{seed}.json"
        path.with_suffix(".md").write_text(self.markdown() + "\n")
        rows = [asdict(each) for each in self.rows]
        path.write_text(json.dumps({"seed": seed, "scenarios": rows}, indent=1) + "\n")
        return path


def _in_order(scenario: str) -> tuple[int, str]:
    """Sort by the scenario's number; those without one come last."""
    number = scenario.partition(" ")[0]
    return (int(number) if number.isdigit() else 1000, scenario)
