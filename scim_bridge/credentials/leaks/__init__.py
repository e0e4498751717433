"""Leaks: secrets somebody found in public, told by scanners or by hand, and made worthless at once.

In: signed messages in the format of GitHub's partner programme, or a token on a person's keyboard.
Out: our own tokens and client secrets revoked, an agent's credential handed to its rotation, an audit
row, an alert, and an answer that says which of the findings were real. Never the value itself.
"""
