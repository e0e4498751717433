"""Microsoft Graph over the tenant: agent identities, people, groups, attributes, attestations.

In: calls with a bearer token of the tenant's token service, singly or in a `$batch`.
Out: objects, pages, or Graph error objects. Rules files (`*_rules.py`) are pure; the others read and write
the tenant inside one transaction a call, so a refused call changes nothing.
"""
