"""Any SCIM 2.0 server as a target: agents as its Users, through scim2-client and our own way out.

In: a base URL and a token, what the server says of itself, desired agents.
Out: users created, changed, stopped and retired, with If-Match where the server has versions.
"""
