#!/bin/sh
# What the image of Dockerfile.worker starts: celery_worker_entrypoint.sh [COMMAND]
#
#   worker [ARGUMENT...]   the Celery worker that delivers changes (the default)
#   probe                  exit 0 if the worker of this container answers
#
# DNSORCH_WORKER_CONCURRENCY (4) is how many lanes it drains at once, each in a process
# of its own with one database connection; CELERY_LOG_LEVEL (INFO) is Celery's own.
# DNSORCH_METRICS_PORT serves /metrics, /livez and /readyz.
# SIGTERM lets the tasks under way end (at most CELERY_TASK_TIME_LIMIT, 90 seconds).
set -eu
cd "$(dirname "$0")/.."

name="worker@$(uname -n)"
command=${1:-worker}
[ $# -eq 0 ] || shift
case $command in
    worker)
        # Its processes count together. For them alone: a probe would leave files there.
        PROMETHEUS_MULTIPROC_DIR=${PROMETHEUS_MULTIPROC_DIR:-/tmp/dnsorch-worker-metrics}
        export PROMETHEUS_MULTIPROC_DIR
        mkdir -p "$PROMETHEUS_MULTIPROC_DIR"
        rm -f "$PROMETHEUS_MULTIPROC_DIR"/*.db
        # Workers need not know of each other: the database has the leases.
        exec celery -A dnsorch --quiet worker --hostname "$name" \
            --concurrency "${DNSORCH_WORKER_CONCURRENCY:-4}" \
            --loglevel "${CELERY_LOG_LEVEL:-INFO}" \
            --without-gossip --without-mingle --without-heartbeat "$@"
        ;;
    probe)
        exec celery -A dnsorch --quiet inspect ping --destination "$name" --timeout 5
        ;;
    *)
        echo "celery_worker_entrypoint.sh: no command $command" >&2
        exit 64
        ;;
esac
