"""The real services on one machine without containers, for tests and for a look.

PostgreSQL with PgBouncer before it, Redis, Apache Kafka, BIND (a primary and a
secondary), PowerDNS and OpenBao, each on a free port of the loopback with its data in
``var/services``; an instance that the system runs is left alone. Needs Linux and
Python 3.11 with pip alone; what is missing is installed on Debian, as root.

Not for production: passwords lie in files beside the data, and a power cut may lose it.
"""
