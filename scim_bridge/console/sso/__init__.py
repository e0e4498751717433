"""Signing in at an OpenID provider: the authorization code flow with PKCE, state and nonce, by our own rules.

In: the settings `[sign_in]` and a browser that comes back with a code. Out: claims that were proven, the one
person here they mean, and that person's roles. Depends on joserfc for signatures and `Outbound` for the wire.
"""
