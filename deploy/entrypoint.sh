#!/bin/sh
# What the image of Dockerfile.app starts: entrypoint.sh COMMAND [ARGUMENT...]
#
#   api              the REST API and the admin (granian)
#   migrate          bring the database up to date: one process does, others wait
#   sweep            find due work in the database (manage.py sweep)
#   consumer         requests from Kafka to the API (manage.py consume_kafka)
#   publisher        outcomes to Kafka (manage.py publish_events)
#   manage ...       any command of manage.py
#   probe [PORT [PATH]]   exit 0 if a process of this container answers with 200
#
# The settings are those of .env.example. The server's own are granian's variables
# (GRANIAN_PORT and so on); DNSORCH_MIGRATE_AT_START=true makes "api" migrate first.
# "exec" lets the process itself, and not this shell, get the signals.
set -eu
cd "$(dirname "$0")/.."

serve() {
    if [ "${DNSORCH_MIGRATE_AT_START:-false}" = true ]; then
        python manage.py migrate_locked
    fi
    # One process: more threads wait for the database, more pods use more processors.
    # Each thread keeps one database connection.
    export GRANIAN_HOST="${GRANIAN_HOST:-0.0.0.0}"
    export GRANIAN_PORT="${GRANIAN_PORT:-8000}"
    export GRANIAN_WORKERS="${GRANIAN_WORKERS:-1}"
    export GRANIAN_BLOCKING_THREADS="${GRANIAN_BLOCKING_THREADS:-8}"
    # Several count together: whichever answers the scraper tells what all have counted.
    if [ "$GRANIAN_WORKERS" -gt 1 ]; then
        PROMETHEUS_MULTIPROC_DIR=${PROMETHEUS_MULTIPROC_DIR:-/tmp/dnsorch-api-metrics}
        export PROMETHEUS_MULTIPROC_DIR
        mkdir -p "$PROMETHEUS_MULTIPROC_DIR"
        rm -f "$PROMETHEUS_MULTIPROC_DIR"/*.db
    fi
    export GRANIAN_LOG_LEVEL="${GRANIAN_LOG_LEVEL:-error}"
    # Requests under way at SIGTERM get this long, in seconds.
    export GRANIAN_WORKERS_KILL_TIMEOUT="${GRANIAN_WORKERS_KILL_TIMEOUT:-25}"
    exec python -m dnsorch.serve --interface wsgi --no-ws --respawn-failed-workers "$@" \
        dnsorch.wsgi:application
}

probe() {
    # Django answers to the names of DNSORCH_ALLOWED_HOSTS only.
    host=${DNSORCH_ALLOWED_HOSTS:-localhost}
    host=${host%%,*}
    host=${host#.}
    [ "$host" != "*" ] || host=localhost
    exec python - "http://127.0.0.1:${1:-${GRANIAN_PORT:-8000}}${2:-/readyz}" "$host" <<'END'
import sys
import urllib.error
import urllib.request

url, host = sys.argv[1:]
try:
    urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=5)
except (OSError, urllib.error.URLError) as error:
    sys.exit(f"{url}: {error}")
END
}

command=${1:-api}
[ $# -eq 0 ] || shift
case $command in
    api) serve "$@" ;;
    migrate) exec python manage.py migrate_locked "$@" ;;
    sweep) exec python manage.py sweep "$@" ;;
    consumer) exec python manage.py consume_kafka "$@" ;;
    publisher) exec python manage.py publish_events "$@" ;;
    manage) exec python manage.py "$@" ;;
    probe) probe "$@" ;;
    *)
        echo "entrypoint.sh: no command $command; see its head for the list" >&2
        exit 64
        ;;
esac
