"""Limits that are announced in ServiceProviderConfig, told in refusals, or refused before anything is read."""

from __future__ import annotations

MAX_BULK_OPERATIONS = 1000
# In one PATCH, as sent. Okta and Entra put many values into one operation, of which they send a hundred at most.
MAX_PATCH_OPERATIONS = 1000
# So long resources are looked at one by one for a filter no index helps, beside everything else.
SCAN_SECONDS = 2.0
# So many are sorted by an attribute no index is sorted by.
SORT_LIMIT = 20_000
# So long the cursor of the next page is good, in seconds.
CURSOR_SECONDS = 3600
