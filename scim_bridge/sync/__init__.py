"""Sync: agents' facts pushed into the IdPs, as plans that are shown before they are applied.

In: the registry's agents, an IdP's answers, a person's or a schedule's wish to sync.
Out: plans (counts, changes with reasons, digest), effects that apply them, drift.
Nothing is removed at an IdP because a listing was short or empty.
"""
