"""What has to be installed, and how: Debian's packages, by root."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.services.errors import ServiceError

LOCK = Path("/run/lock/dnsorch-packages")
# invoke-rc.d asks this script whether a package may start its service; 101 forbids.
POLICY = Path("/usr/sbin/policy-rc.d")
FORBID = (
    "#!/bin/sh\n# dnsorch: no service starts while its package is installed\nexit 101\n"
)
# Where Debian puts daemons, which an ordinary user's PATH may lack.
DAEMONS = "/usr/sbin:/sbin:/usr/local/sbin"


def program(name: str) -> str | None:
    """Return the path of a program, a daemon's too; None if it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{DAEMONS}")


def install(packages: Sequence[str]) -> None:
    """Install Debian packages; none of their services is started.

    Raises:
        ServiceError: this is not Debian, we are not root, or apt failed.
    """
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise ServiceError(f"install what Debian calls {wanted}, then try again")
    if os.geteuid() != 0:
        raise ServiceError(f"as root: apt-get install {wanted}; then try again")
    print(f"installing {wanted}", flush=True)
    with _alone(), _no_service_starts():
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *packages)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for others who install: the policy is everybody's."""
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _no_service_starts() -> Iterator[None]:
    before = POLICY.read_text() if POLICY.exists() else None
    if before == FORBID:  # left by a run that was killed
        before = None
    mode = POLICY.stat().st_mode if before is not None else 0o755
    POLICY.write_text(FORBID)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            POLICY.unlink()
        else:
            POLICY.write_text(before)
            POLICY.chmod(mode)


def _apt(*words: str) -> None:
    # Somebody else may be installing: wait for the lock, in seconds.
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *words]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise ServiceError(f"{' '.join(command)}:\n{done.stdout}")
