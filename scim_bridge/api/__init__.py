"""The REST API: `/api/v1/…` for what console and command line do, described by `/openapi.json`.

In: HTTP with an API token (scope admin, or admin.read to look only), JSON bodies, Idempotency-Key, If-Match.
Out: JSON with ETags, sealed cursors, problem answers; changes by the services of the rooms below.
Each operation is declared once, as data: routes, checks of what comes in, and the document are made of it.
"""
