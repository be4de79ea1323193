"""``python -m dnsorch.serve``: granian, which says in one sentence why it cannot start.

Its arguments and variables (``GRANIAN_*``) are granian's own. A wrong setting is found
here already, before a worker process, which granian would start again, ends with it.
"""

from __future__ import annotations

import os
import sys

from dnsorch import startup


def main() -> None:
    """Serve until a signal ends it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsorch.settings")
    from granian.cli import entrypoint

    from dnsorch import configuration

    with startup.one_sentence():
        configuration.require()
    try:
        entrypoint()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        # What granian raises when the port is taken, or is not ours to take.
        if "(os error " not in str(error):
            raise
        where = "GRANIAN_HOST, GRANIAN_PORT"
        sys.exit(f"dnsorch: the API cannot listen ({where}): {error}")


if __name__ == "__main__":
    main()
