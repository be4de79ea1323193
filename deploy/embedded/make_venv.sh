#!/bin/sh
# Makes .venv with the exact packages of requirements/dev.lock, with no more than a
# Python 3.11, 3.12 or 3.13. PYTHON=... chooses one.
set -eu
cd "$(dirname "$0")/../.."

suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
        >/dev/null 2>&1
}

complete() {
    "$1" -c 'import venv, ensurepip' >/dev/null 2>&1
}

python=
incomplete=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python \
    /usr/bin/python3}; do
    suitable "$candidate" || continue
    if complete "$candidate"; then
        python=$candidate
        break
    fi
    incomplete=$candidate
done

if [ -z "$python" ]; then
    if [ -n "$incomplete" ]; then
        echo "$incomplete lacks the modules venv and ensurepip, which make .venv." >&2
        echo "On Debian and Ubuntu: apt install python3-venv" >&2
    else
        echo "dnsorch needs Python 3.11, 3.12 or 3.13; found none of them." >&2
        echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
    fi
    exit 1
fi

# What an interrupted or older installation left may lack its interpreter or its pip.
.venv/bin/python -c 'import pip' >/dev/null 2>&1 || "$python" -m venv --clear .venv
echo "installing requirements/dev.lock into .venv (once, about a minute)" >&2
# A lock names every package there is: with --no-deps nothing that came out since can
# slip in (older pips take a newer release of what another package wants with an extra).
.venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet \
    --require-hashes --no-deps --only-binary :all: --requirement requirements/dev.lock
touch .venv/.installed
