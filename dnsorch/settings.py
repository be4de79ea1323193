"""Settings of dnsorch: one file, everything by environment.

``DNSORCH_ENV`` chooses a profile, a file of plain data in ``envs/``; a variable of
the real environment wins over it. ``.env.example`` documents every variable. The
profile ``dev`` is the embedded default and the only one with a built-in key.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from dnsorch import environment, redaction

BASE_DIR = Path(__file__).resolve().parent.parent
PROFILES = ("dev", "uta", "prod")

env = environment.StrictEnv()

DNSORCH_ENV = env.choice("DNSORCH_ENV", PROFILES, default="dev")
env.read_env(str(BASE_DIR / "envs" / f".env.{DNSORCH_ENV}"))
EMBEDDED = DNSORCH_ENV == "dev"


def env_secret(name: str, *, embedded: str, default: str | None = None) -> str:
    """Return the secret variable ``name``, or what the file ``<name>_FILE`` holds.

    A missing secret stops the start, unless there is a ``default``; ``embedded`` is
    the value of the dev profile, which listens on loopback only.

    Raises:
        ImproperlyConfigured: neither is set outside the dev profile, or the file
            cannot be read.
    """
    path = env.str(f"{name}_FILE", default="")
    try:
        value = Path(path).read_text().strip() if path else env.str(name, default="")
    except OSError as exc:
        raise ImproperlyConfigured(f"{name}_FILE: {path}: {exc.strerror}") from None
    if value:
        redaction.remember_setting(value)
        return value
    if EMBEDDED:
        return embedded
    if default is not None:
        return default
    raise ImproperlyConfigured(f"set {name} or {name}_FILE: it has no default")


# --- Django -----------------------------------------------------------------------

SECRET_KEY = env_secret(
    "DNSORCH_SECRET_KEY", embedded="embedded-default-listens-on-loopback-only"
)
SECRET_KEY_FALLBACKS = env.list("DNSORCH_SECRET_KEY_FALLBACKS", default=[])
for _fallback in SECRET_KEY_FALLBACKS:
    redaction.remember(_fallback)
DEBUG = env.bool("DNSORCH_DEBUG", default=False)
ALLOWED_HOSTS = env.list("DNSORCH_ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = env.list("DNSORCH_CSRF_TRUSTED_ORIGINS", default=[])
VAR_DIR = Path(env.str("DNSORCH_VAR_DIR", default=str(BASE_DIR / "var"))).resolve()

INSTALLED_APPS = [
    # Without looking for the pages: those are found where they are served, in urls.py.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_results",
    "dnsorch",
    "dnsorch.tokens",
    "dnsorch.operator_tasks",
    "dnsorch.embedded",
    "requests_tracker",
    "dns_records",
    "kafka_bridge",
]
MIDDLEWARE = [
    "dnsorch.api.middleware.CorrelationMiddleware",
    "dnsorch.api.middleware.BodyLimitMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "dnsorch.urls"
WSGI_APPLICATION = "dnsorch.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator")
]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "/static/"
# The embedded default serves the files where they are installed.
STATIC_ROOT = (
    None
    if EMBEDDED
    else Path(env.str("DNSORCH_STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
)
WHITENOISE_USE_FINDERS = EMBEDDED
WHITENOISE_AUTOREFRESH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

SECURE_TLS = env.bool("DNSORCH_BEHIND_TLS", default=not EMBEDDED)
SESSION_COOKIE_SECURE = SECURE_TLS
CSRF_COOKIE_SECURE = SECURE_TLS
SECURE_SSL_REDIRECT = env.bool("DNSORCH_SSL_REDIRECT", default=SECURE_TLS)
# Probes come straight to the container, without the proxy's header.
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_TLS else None
SECURE_HSTS_SECONDS = env.int("DNSORCH_HSTS_SECONDS", default=31_536_000) * SECURE_TLS
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_TLS
SECURE_HSTS_PRELOAD = SECURE_TLS

# --- embedded default: where its processes listen, on loopback only -----------------

DNSORCH_PORT_API = env.int("DNSORCH_PORT_API", default=8000)
DNSORCH_PORT_DNS = env.int("DNSORCH_PORT_DNS", default=5354)
DNSORCH_PORT_KAFKA = env.int("DNSORCH_PORT_KAFKA", default=9092)
# Name servers of the user's own instead, the update server first, and its TSIG key.
DNSORCH_NAMESERVERS = env.list("DNSORCH_NAMESERVERS", default=[])
DNSORCH_TSIG_KEY_FILE = env.str("DNSORCH_TSIG_KEY_FILE", default="")
EMBEDDED_BROKER_URL = f"redis+socket://{VAR_DIR}/broker.sock"
EMBEDDED_KAFKA_TOKEN_FILE = VAR_DIR / "kafka.token"

# --- database -----------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": environment.database(
        env_secret("DATABASE_URL", embedded=f"sqlite:///{VAR_DIR}/dnsorch.sqlite3")
    )
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # SQLite makes the file, not its directory, which a fresh clone lacks.
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    # IMMEDIATE: a transaction that reads and then writes would otherwise fail at
    # once with "database is locked", whatever the timeout. FULL: a 202 survives a
    # power cut.
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
            "PRAGMA cache_size=-20000;PRAGMA temp_store=MEMORY;"
        ),
    }
    _database["CONN_MAX_AGE"] = None
    _database["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
else:
    _database.setdefault("OPTIONS", {})
    _database["CONN_MAX_AGE"] = env.int("DNSORCH_DATABASE_CONN_MAX_AGE", default=60)
    _database["CONN_HEALTH_CHECKS"] = True
    _behind_pgbouncer = env.bool("DNSORCH_DATABASE_BEHIND_PGBOUNCER", default=False)
    _database["DISABLE_SERVER_SIDE_CURSORS"] = _behind_pgbouncer
    _limits_s = {
        "statement_timeout": env.int(
            "DNSORCH_DATABASE_STATEMENT_TIMEOUT_S", default=30
        ),
        "lock_timeout": env.int("DNSORCH_DATABASE_LOCK_TIMEOUT_S", default=10),
        # No transaction of ours waits for anything: who is idle in one is stuck, and
        # what it has locked others wait for, so it ends before they give up.
        "idle_in_transaction_session_timeout": env.int(
            "DNSORCH_DATABASE_IDLE_TIMEOUT_S", default=5
        ),
    }
    if _database["ENGINE"] == "django.db.backends.postgresql":
        # A server that is gone without a word is noticed within half a minute: to wait
        # for its answer has no other end.
        for _name, _value in {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 25_000,
        }.items():
            _database["OPTIONS"].setdefault(_name, _value)
        # PgBouncer refuses parameters of a session: there, set them on the role.
        if not _behind_pgbouncer:
            _database["OPTIONS"].setdefault(
                "options",
                " ".join(f"-c {name}={s}s" for name, s in _limits_s.items()),
            )

# --- REST ---------------------------------------------------------------------------

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_VERSIONING_CLASS": "dnsorch.api.versioning.DiscoveredVersioning",
    "DEFAULT_SCHEMA_CLASS": "dnsorch.api.schema.ProblemAutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "dnsorch.api.authentication.TokenAuthentication",
        "dnsorch.api.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["dnsorch.api.authentication.HasAccess"],
    "DEFAULT_PARSER_CLASSES": ["dnsorch.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "dnsorch.api.paging.CursorPagination",
    "EXCEPTION_HANDLER": "dnsorch.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "dnsorch",
    "DESCRIPTION": "DNS changes, tracked, ordered and verified.",
    "VERSION": "0.1.0",
    "ENUM_NAME_OVERRIDES": {
        "ChangeAction": "dns_records.api.v2.serializers.ACTIONS",
        "ImportSource": "dns_records.api.v2.zone_life.SOURCES",
        "RequestSource": "requests_tracker.models.request.Source",
        "RequestStatus": "requests_tracker.status.Status",
    },
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Celery: a hint carrier; the database is the truth -------------------------------

CELERY_BROKER_URL = env_secret(
    "CELERY_BROKER_URL",
    embedded=EMBEDDED_BROKER_URL,
    default="redis://127.0.0.1:6379/0",
)
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {
        # A client may wait for it, and for a hint only.
        "socket_timeout": 1,
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        # A worker misses a dead connection for twice as long and some more.
        "health_check_interval": 5,
        "visibility_timeout": 300,
        "unacked_restore_throttle": 1,
        "global_keyprefix": "dnsorch:",
    }
    if CELERY_BROKER_URL.startswith("redis")
    else {}
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = 2
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_DISABLE_PREFETCH = CELERY_BROKER_URL.startswith("redis")
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
# Celery would close the connection to the database around each task; how long it is
# kept is CONN_MAX_AGE's to say (dnsorch.worker.keep_database_connection).
CELERY_DB_REUSE_MAX = 10**9
CELERY_TASK_TIME_LIMIT = 90
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "dnsorch.lane"
CELERY_RESULT_BACKEND = "dnsorch.results.RedactedBackend"
CELERY_RESULT_EXTENDED = True
# Of operator tasks: wake-ups have none.
CELERY_RESULT_EXPIRES = timedelta(
    days=env.int("CELERY_RESULT_EXPIRES_DAYS", default=30)
)

# --- observability ------------------------------------------------------------------

# Nothing is traced where neither of the first two is set.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
DNSORCH_TRACE_FILE = env.str("DNSORCH_TRACE_FILE", default="")
OTEL_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", default="dnsorch")
DNSORCH_METRICS_PORT = env.int("DNSORCH_METRICS_PORT", default=0)
PROMETHEUS_MULTIPROC_DIR = env.str("PROMETHEUS_MULTIPROC_DIR", default="")

# --- Kafka --------------------------------------------------------------------------

KAFKA_BOOTSTRAP_SERVERS = env.str(
    "KAFKA_BOOTSTRAP_SERVERS", default=f"127.0.0.1:{DNSORCH_PORT_KAFKA}"
)
try:
    KAFKA_CLIENT_OPTIONS: dict[str, Any] = json.loads(
        env_secret("KAFKA_CLIENT_OPTIONS", embedded="{}", default="{}")
    )
except ValueError:
    # Not repeated: a password may be among them.
    raise ImproperlyConfigured("KAFKA_CLIENT_OPTIONS is not JSON") from None
if not isinstance(KAFKA_CLIENT_OPTIONS, dict):
    raise ImproperlyConfigured("KAFKA_CLIENT_OPTIONS is no JSON object")
KAFKA_TOPIC_REQUESTS = env.str("KAFKA_TOPIC_REQUESTS", default="dnsorch.requests")
KAFKA_TOPIC_OUTCOMES = env.str("KAFKA_TOPIC_OUTCOMES", default="dnsorch.outcomes")
KAFKA_TOPIC_DLQ = env.str("KAFKA_TOPIC_DLQ", default="dnsorch.requests.dlq")
KAFKA_CONSUMER_GROUP = env.str("KAFKA_CONSUMER_GROUP", default="dnsorch")
KAFKA_EVENT_SOURCE = env.str("KAFKA_EVENT_SOURCE", default="dnsorch")
KAFKA_PUBLISHER_LEASE_S = env.float("KAFKA_PUBLISHER_LEASE_S", default=30.0)
KAFKA_API_URL = env.str("KAFKA_API_URL", default=f"http://127.0.0.1:{DNSORCH_PORT_API}")
KAFKA_API_TOKEN_REFERENCE = env.str(
    "KAFKA_API_TOKEN_REFERENCE",
    default=f"file:{EMBEDDED_KAFKA_TOKEN_FILE}" if EMBEDDED else "env:KAFKA_API_TOKEN",
)
KAFKA_API_TIMEOUT_S = env.float("KAFKA_API_TIMEOUT_S", default=15.0)
KAFKA_METRICS_PORT = env.int("KAFKA_METRICS_PORT", default=DNSORCH_METRICS_PORT)

# --- secrets: Vault -----------------------------------------------------------------

VAULT_ADDR = env.str("VAULT_ADDR", default="")
VAULT_NAMESPACE = env.str("VAULT_NAMESPACE", default="")
VAULT_CACERT = env.str("VAULT_CACERT", default="")
VAULT_AUTH_METHOD = env.choice(
    "VAULT_AUTH_METHOD", ("token", "approle", "kubernetes"), default="token"
)
VAULT_AUTH_MOUNT = env.str("VAULT_AUTH_MOUNT", default="")
VAULT_ROLE = env.str("VAULT_ROLE", default="")
VAULT_CREDENTIAL_REFERENCE = env.str(
    "VAULT_CREDENTIAL_REFERENCE", default="env:VAULT_TOKEN"
)
VAULT_TIMEOUT_S = env.float("VAULT_TIMEOUT_S", default=5.0)

# --- dnsorch ------------------------------------------------------------------------

DNSORCH_PROVIDERS: dict[str, str] = {
    "rfc2136": "dns_records.providers.rfc2136.Rfc2136Provider",
    "powerdns": "dns_records.providers.powerdns.PowerDnsProvider",
    "route53": "dns_records.providers.route53.Route53Provider",
    "memory": "dns_records.providers.memory.MemoryProvider",
}
DNSORCH_SECRET_PROVIDERS: dict[str, str] = env.dict(
    "DNSORCH_SECRET_PROVIDERS", default={}
)
# Seconds, unless the name says otherwise.
DNSORCH_LEASE_S = env.float("DNSORCH_LEASE_S", default=30.0)
# 0: no limit.
DNSORCH_LANES_PER_BACKEND = env.int("DNSORCH_LANES_PER_BACKEND", default=0)
# How far the clocks of workers and name servers may differ.
DNSORCH_CLOCK_SKEW_S = env.float("DNSORCH_CLOCK_SKEW_S", default=2.0)
DNSORCH_SWEEP_INTERVAL_S = env.float("DNSORCH_SWEEP_INTERVAL_S", default=1.0)
DNSORCH_REQUEST_DEADLINE_S = env.float("DNSORCH_REQUEST_DEADLINE_S", default=86_400.0)
DNSORCH_MAX_SCHEDULE_DAYS = env.int("DNSORCH_MAX_SCHEDULE_DAYS", default=366)
DNSORCH_VERIFY_DEADLINE_S = env.int("DNSORCH_VERIFY_DEADLINE_S", default=300)
DNSORCH_QUERY_TIMEOUT_S = env.float("DNSORCH_QUERY_TIMEOUT_S", default=2.0)
# Seconds between two looks at a zone's serial; 0: none.
DNSORCH_SERIAL_WATCH_S = env.int("DNSORCH_SERIAL_WATCH_S", default=300)
DNSORCH_DEFAULT_TTL = env.int("DNSORCH_DEFAULT_TTL", default=300)
DNSORCH_MAX_RECORDS_PER_RRSET = env.int("DNSORCH_MAX_RECORDS_PER_RRSET", default=100)
# On the wire; more would not fit into one UPDATE message with all that goes with it.
DNSORCH_MAX_RRSET_OCTETS = env.int("DNSORCH_MAX_RRSET_OCTETS", default=60_000)
if not 0 < DNSORCH_MAX_RRSET_OCTETS <= 60_000:
    raise ImproperlyConfigured("DNSORCH_MAX_RRSET_OCTETS is from 1 to 60000")
DNSORCH_UNKNOWN_TYPES = env.bool("DNSORCH_UNKNOWN_TYPES", default=False)
DNSORCH_IDEMPOTENCY_DAYS = env.int("DNSORCH_IDEMPOTENCY_DAYS", default=30)
DNSORCH_REQUEST_RETENTION_DAYS = env.int("DNSORCH_REQUEST_RETENTION_DAYS", default=400)
DNSORCH_WAIT_SLOTS = env.int("DNSORCH_WAIT_SLOTS", default=2)
# Threads of the API that may wait for a client's body at the same time.
DNSORCH_BODY_SLOTS = env.int("DNSORCH_BODY_SLOTS", default=4)
# The largest zone file that is taken over HTTP; other bodies have at most 1 MiB.
DNSORCH_IMPORT_MAX_OCTETS = env.int(
    "DNSORCH_IMPORT_MAX_OCTETS", default=32 * 1024 * 1024
)
DNSORCH_FAILPOINTS = env.str("DNSORCH_FAILPOINTS", default="")
if DNSORCH_FAILPOINTS and not EMBEDDED:
    raise ImproperlyConfigured("DNSORCH_FAILPOINTS is for tests, in the dev profile")
DNSORCH_LOG_LEVEL = env.choice(
    "DNSORCH_LOG_LEVEL",
    ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    default="INFO",
)
DNSORCH_LOG_JSON = env.bool("DNSORCH_LOG_JSON", default=not EMBEDDED)
LOGGING_CONFIG = "dnsorch.logging.configure"
LOGGING = {"level": DNSORCH_LOG_LEVEL, "json": DNSORCH_LOG_JSON}
