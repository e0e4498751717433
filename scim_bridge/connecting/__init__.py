"""Connecting an IdP, step by step: what its own pages ask for, and what happens here between them.

In: the wishes of the command `connect` and of the console's wizard, which walk the same steps. Out: connections,
tokens, proofs and previews; effects for everything that has to ask the IdP, or this bridge, from outside. A rehearsal
plays the IdP with a sandbox of its own.
"""
