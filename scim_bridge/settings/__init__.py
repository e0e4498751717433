"""Everything a process needs to know before it starts: one file for each section, `load` reads them all.

Rooms import the section they are given; nothing is imported here, for a room may be below another's section.
"""
