"""The console: what an admin looks at, in a browser, without scripts.

In: a session that an admin's token opened; searches written into the address.
Out: pages about agents: who answers for them, whether they may act and why, what happened to them.
Everything shown is read at that moment; everything done goes through the registry and is audited.
"""
