"""A simulated transmitter of security events (SSF 1.0): streams, their status, and delivery by push and by poll.

In: its API (`/.well-known/ssf-configuration` and what that leads to) and its control API (what happened to whom).
Out: Security Event Tokens, pushed until they are taken (RFC 8935) or kept until they are acknowledged (RFC 8936).
It can also misbehave on request: forge, replay, tell of the future, sign with a key nobody knows.
"""
