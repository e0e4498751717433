"""JSON Lines manifests: one entry a line, of any number.

In: a file, read as a stream, first checked whole and then applied in portions, each in a transaction of
its own. Out: the same registry as the manifest in one piece would make, and counts instead of rows.
The file may be stopped at any portion and imported again: what is there already is left alone.
"""
