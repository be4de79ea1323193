"""Who runs the servers that refuse root: the account that PostgreSQL makes."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ACCOUNT = "postgres"


def prefix(directory: Path) -> Sequence[str]:
    """Return what to put before a command that may not run as root.

    It can pass through the directories above ``directory``, whoever may.
    """
    if os.geteuid() != 0:
        return ()
    account = pwd.getpwnam(ACCOUNT)
    words = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}"]
    words.append("--clear-groups")
    reaches = [*words, "test", "-x", str(directory)]
    if subprocess.run(reaches).returncode == 0:
        return words
    # A directory above is closed to others, such as a home: may pass, no more.
    capability = "+dac_read_search"
    return [*words, f"--inh-caps={capability}", f"--ambient-caps={capability}"]


def own(*paths: Path) -> None:
    """Give files to the account."""
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, ACCOUNT)
