"""The token service of the tenant: what msal talks to.

In: OpenID discovery and `/{tenant}/oauth2/v2.0/token` with a client secret, a certificate assertion or
an agent blueprint's exchange. Out: signed access tokens that carry the granted app roles, or AADSTS errors.
"""
