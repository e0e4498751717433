"""The command line: `scim-bridge <noun> <verb>`, one file per noun.

In: arguments and the environment. Out: tables for people, json, jsonl or csv for machines, and
documented exit codes: 0 ok, 1 error, 2 usage, 3 changes pending, 4 held by the brake, 78 settings.
Works on the database directly, whether a server runs or not.
"""
