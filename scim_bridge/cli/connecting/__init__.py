"""The connect wizards: the vendors' own pages in their words and order, and what happens between them."""
