"""Inventory: agents coming in from what people already write down.

In: manifests (YAML, JSON, CSV) and A2A agent cards, as bytes, with a file name or a URL.
Out: frozen values, or every problem at once with its line; and a diff against what is registered.
Nothing here deletes: what is registered and not in the file is reported, never removed.
"""
