"""The IdPs behind one port: what sync may ask of Okta, Entra or any other directory.

In: desired agents as flat attributes. Out: observed objects, exact writes, errors that say
whether trying again can help. Vendors' APIs are known only inside their own folder here.
"""
