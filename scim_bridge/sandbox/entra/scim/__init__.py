"""Entra's provisioning service: the SCIM client that calls the bridge.

In: the tenant's users and groups, a target (address, token, dialect), a wish to test or to run a cycle.
Out: the requests the real service sends, in its legacy shapes or with `aadOptscim062020`, journalled;
source-target links, failures to retry, quarantine.
"""
