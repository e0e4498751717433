"""Entra: agents as agent identities under blueprints of ours, through msal and Microsoft Graph.

In: desired agents. Out: agent identities with sponsors, owners, custom security attributes and
attestations. An agent's object carries our mark, the tag `scim-bridge:<agent id>`; objects of other
blueprints without it are never touched. Nothing is ever deleted.
"""
