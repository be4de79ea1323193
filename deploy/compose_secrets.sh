#!/bin/sh
# Makes the secrets of docker-compose.yml in deploy/secrets/: those that are missing.
# The directory is its owner's alone; the containers' users read the files in it.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
cd secrets

random() {
    head -c 48 /dev/urandom | base64 | tr -d '\n+/='
}

make() {
    [ -e "$1" ] || printf '%s\n' "$2" >"$1"
    chmod 644 "$1"
}

make secret_key "$(random)"
make postgres_password "$(random)"
make database_url "postgres://dnsorch:$(cat postgres_password)@postgres:5432/dnsorch"
make redis_password "$(random)"
make redis_conf "requirepass $(cat redis_password)"
make broker_url "redis://:$(cat redis_password)@redis:6379/0"
# 32 octets, as long as the digest of HMAC-SHA256 (RFC 8945 section 8).
make tsig_key "$(head -c 32 /dev/urandom | base64)"
make bind_key "key \"dnsorch.\" { algorithm hmac-sha256; secret \"$(cat tsig_key)\"; };"
# Filled from the running API; docs/operations.md says how.
[ -e kafka_token ] || : >kafka_token
chmod 644 kafka_token
