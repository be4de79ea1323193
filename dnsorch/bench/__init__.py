"""``make bench``: how fast it is, each figure beside the floor of the same machine.

The product imports nothing of this package. ``stack`` starts the service on the real
services, ``loads`` is what the processes of clients run, ``rows`` are the INSERTs of a
request as a floor does them, the modules of ``figures`` measure, ``report`` shows it.
"""
