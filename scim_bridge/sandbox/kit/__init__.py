"""What every sandbox stands on: TLS, durable store and journal, SCIM caller, control API, faults.

In: a directory, a port and a control token. Out: an HTTPS server on 127.0.0.1 whose state and
journal outlive kill -9. Knows no vendor: each sandbox brings its own routes, rules and errors.
"""
