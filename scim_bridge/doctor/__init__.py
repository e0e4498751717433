"""The doctor: finds the mistakes people make most, and says how to mend each.

In: settings, the files beside the database, the database, and with `online` what others answer.
Out: findings. What is looked at is gathered first (`look_*.py`); what it means is pure (`rules_*.py`).
Repairs nothing, migrates nothing, and makes no call unless it is told to.
"""
