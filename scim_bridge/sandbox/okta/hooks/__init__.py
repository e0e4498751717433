"""Event hooks: who wants to be told of which events, and telling them.

In: hooks made through the API, events of the System Log. Out: signed-by-nothing POSTs, at least once,
in no certain order; sources: Okta, "Event hooks" concept and API.
"""
