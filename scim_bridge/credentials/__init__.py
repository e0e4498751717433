"""Credentials: knowing what agents prove themselves with, replacing it in time, and having it revoked.

In: what IdPs show of their clients (scans), what people register, policies, signals, acknowledgements.
Out: new credentials at the IdP, delivered to a store (`delivery`), old ones revoked there or by a signed
`credential.revoke`; each step one effect, tried until it is confirmed. A value is sealed while it has to
wait, and else in memory only; what an IdP or a store keeps is never read back.
"""
