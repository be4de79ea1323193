# dnsorch: REST API and admin, sweep, Kafka consumer and publisher, migrations.
# From the root of the repository:
#   docker build --file deploy/Dockerfile.app --tag dnsorch-app .
#
# One base for both stages and both images. To pin it by digest as well:
#   docker buildx imagetools inspect python:3.13.9-slim-bookworm
#   docker build --build-arg PYTHON=python:3.13.9-slim-bookworm@sha256:... ...
ARG PYTHON=python:3.13.9-slim-bookworm

FROM ${PYTHON} AS packages
COPY requirements/prod.lock /tmp/prod.lock
# Wheels with the hashes of the lock: nothing is compiled, so no compiler is needed.
RUN python -m venv --without-pip /opt/dnsorch \
    && python -m pip --python /opt/dnsorch install --no-cache-dir --no-input \
        --require-hashes --no-deps --only-binary :all: --requirement /tmp/prod.lock

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dnsorch" \
      org.opencontainers.image.description="Tracked, ordered, verified DNS changes" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# HOME, data: with a read-only root file system, /tmp alone is writable.
ENV PATH=/opt/dnsorch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    DNSORCH_ENV=prod \
    DNSORCH_VAR_DIR=/tmp \
    DNSORCH_STATIC_ROOT=/app/staticfiles
WORKDIR /app
COPY --from=packages /opt/dnsorch /opt/dnsorch
COPY . /app
# Nothing is connected to; the values are there because production has no defaults.
RUN DNSORCH_SECRET_KEY=only-for-collectstatic DATABASE_URL=sqlite:////tmp/none \
        python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q /app \
    && chgrp -R 0 /app \
    && chmod -R g=u /app
# OpenShift replaces the user by one of its own, in group 0.
USER 1001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=4 \
    CMD ["deploy/entrypoint.sh", "probe"]
ENTRYPOINT ["/app/deploy/entrypoint.sh"]
CMD ["api"]
