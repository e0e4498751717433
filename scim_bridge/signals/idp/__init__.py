"""Doors of the identity providers: Okta's event hooks and System Log, Entra's notices and delta.

In: events and changes, pushed to us or asked for. Every one is kept first (`sb_news`) and believed
never: an effect reads the person at the IdP and acts on what is true there at that moment.
Out: one signal per fact, whichever door it came through, with the tenant as its source.
"""
