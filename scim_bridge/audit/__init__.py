"""Audit: every change leaves a row in its own transaction, and the rows form a signed chain.

In: `record(work, ...)` from every use case that changes something, and refusals worth keeping.
Out: rows sealed into a hash chain with signed checkpoints (RFC 9162 roots), verification that
names what was altered, and exports anyone can verify with only the public key.
"""
