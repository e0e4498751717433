"""Credentials: having what an agent uses revoked where it lives.

In: the effects other rooms wrote when they marked a credential for revocation (registry).
Out: one signed `credential.revoke` per effect to the revoker of the credential's system, tried
until it confirms; then the credential is marked revoked, in the transaction that settles the effect.
Values of credentials are never known here, only where they are kept.
"""
