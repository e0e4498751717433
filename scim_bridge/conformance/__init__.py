"""Conformance: proves that a SCIM server is fit for Okta, Entra or the RFCs, before anybody connects it.

In: the address and token of any SCIM 2.0 server. Out: a report with a verdict for each step of the vendors'
own suites, rebuilt as data and small functions. Stands alone like a client: it knows HTTP and SCIM's words
and nothing of our server. Whatever it creates carries the id of the run and is deleted at the end.
"""
