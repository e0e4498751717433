"""Every generated page anew: `python -m tests.docs`."""

from __future__ import annotations

from tests.docs import api_reference, attributes, errors, metrics, reference, requirements

if __name__ == "__main__":
    reference.FILE.write_text(reference.page())
    reference.ROLES_FILE.write_text(reference.roles_page())
    requirements.FILE.write_text(requirements.page(requirements.FILE.read_text()))
    for each in (api_reference, attributes, errors, metrics):
        each.FILE.write_text(each.page())
