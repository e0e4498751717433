"""The front door: a SCIM 2.0 server for IdPs (RFC 7643, 7644).

In: requests of connections, each in its dialect (`dialects/`), read, rewritten and checked by pure rules
(grammar, patch, validate, match, projection). Out: registry transactions, one per write, and signals about
people; answers rendered from stored documents. `app.py` is the ASGI application, `routing.py` its table,
one file per verb (create, replace, patch_resource, delete, listing, bulk, discovery).
"""
