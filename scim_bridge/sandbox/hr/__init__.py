"""A simulated HR system: employees, and the signed webhooks it sends when one of them leaves.

In: its control API (who works here, who leaves when, where to send events and with which secret).
Out: Standard Webhooks calls to the bridge, retried until taken, and a journal of every attempt.
It can also misbehave on request: replay an event, forge a signature, send from the past.
"""
