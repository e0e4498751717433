"""Signals: doors for news about people, all ending in one shape that is acted on once.

In: signed HR webhooks (`routes.py`), security events pushed and polled (`ssf_routes.py`, `ssf_poll.py`), IdP news
(`idp/`), files of leavers (`leave_file.py`), and the signals other doors make (SCIM, the command line).
Out: a row per signal (`sb_signal`, unique by source and key), an audit row, and one call of the
reaction the composition root chose, in the same transaction. What follows from a signal is decided
elsewhere (departures); news about somebody unknown is kept and told, never dropped.
"""
