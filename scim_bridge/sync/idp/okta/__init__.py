"""Okta behind the port: agents as users of their own user type, owners as linked objects.

In: wanted agents. Out: calls through the okta SDK, paced by Okta's rate headers; refusals by errorCode.
Imported only when a connection of this kind is opened, and only the parts of the SDK that are used.
"""
