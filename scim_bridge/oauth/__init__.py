"""OAuth: how an IdP gets a short-lived access token instead of keeping a long-lived one.

In: POST /oauth/token with a client's secret, or with an assertion its own IdP signed (RFC 6749, 7523).
Out: an access token of the client's connection, an audit row for each one given or refused, and the
signing keys of trusted issuers, fetched beside the requests and kept through an outage.
"""
