"""Faults in real processes on real services, and a checker that finds the damage.

``proxy`` stands in each link, ``stack`` starts the processes and arms failpoints,
``workload`` asks for changes and remembers every answer, ``evidence`` gathers what
database, name servers, topics and logs say afterwards, ``checker`` judges it, and
``trial`` is one scenario from start to verdict. The scenarios are in ``scenarios``.
"""
