"""Where secrets come from: the database holds references, never secrets.

A reference is ``scheme:rest``: ``env:NAME`` is a variable of the environment,
``file:PATH`` a file (a mounted Kubernetes secret, say), ``vault:MOUNT/PATH#KEY`` a
key of a secret in Vault. Further schemes are named by the setting
``DNSORCH_SECRET_PROVIDERS``, ``{scheme: dotted path}``, where the path is that of a
:class:`Provider`: a function from ``rest`` to the secret.
"""

from dnsorch.secrets.store import Provider, forget, get

__all__ = ["Provider", "forget", "get"]
