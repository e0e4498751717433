"""Moving: the whole database to another back end, into a backup and back, and what it holds.

In: two addresses, or a file. Out: every row of every table, verified at its new place before anybody can use it: counts
and digests by table, counters, and the audit chain. Only tables of ours (`sb_`) move; the job engine begins anew.
"""
