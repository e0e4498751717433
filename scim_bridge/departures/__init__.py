"""Departures: what happens to agents when somebody who answers for them leaves.

In: signals (`service.react`), settled effects (`service.settled`), the clock (`service.due`), admins.
Out: one case per leaver; agents handed over or held, credentials to be revoked, IdPs and people told,
all decided in the transaction of the signal; when every effect is done, a signed receipt.
The rules are in `model.py`; nothing here calls out.
"""
