"""The HR systems that are known: how their events are read and signed. Data, and the tables of the settings.

Where a vendor publishes its payload the row follows it (the page is named). Workday's and Rippling's messages
are templates that an admin writes there: the row is the template of docs/reference/hr-webhook.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.vendor_webhook import SIGNINGS
from scim_bridge.signals.hr import HrMapping

GENERIC = HrMapping(
    name="generic",
    type=("type",),
    leaving=frozenset({"employee.leaving", "employee.left", "employee.terminated"}),
    returning=frozenset({"employee.returned", "employee.rehired", "employee.leave_cancelled"}),
    moving=frozenset({"employee.moved", "employee.transferred"}),
    going_away=frozenset({"employee.away", "employee.leave_of_absence"}),
    happened=("timestamp",),
    user_name=("data.employee.user_name", "data.employee.userName"),
    emails=("data.employee.work_email", "data.employee.email"),
    numbers=("data.employee.employee_number",),
    last_day=("data.last_day",),
    first_day=("data.first_day",),
    zone=("data.employee.time_zone",),
    kind=("data.kind",),
    involuntary=frozenset({"involuntary"}),
)
# Names as in Workday's REST API for staffing (terminationDate, lastDayOfWork), sent by an orchestration.
WORKDAY = HrMapping(
    name="workday",
    type=("event",),
    leaving=frozenset({"Terminate Employee", "End Contingent Worker Contract"}),
    returning=frozenset(
        {"Hire Employee", "Rehire Employee", "Rescind Termination", "Return Worker from Leave"}
    ),
    moving=frozenset({"Change Job", "Transfer Employee", "Change Organization Assignments"}),
    going_away=frozenset({"Place Worker on Leave"}),
    happened=("moment",),
    user_name=("worker.userName", "worker.userID"),
    emails=("worker.workEmail", "worker.primaryWorkEmail"),
    numbers=("worker.employeeID", "worker.workerId"),
    last_day=("termination.lastDayOfWork", "termination.terminationDate"),
    first_day=("leave.firstDayOfLeave",),
    zone=("worker.timeZone",),
    kind=("termination.category",),
    involuntary=frozenset({"Involuntary", "Terminate Employee > Involuntary"}),
)
# https://documentation.bamboohr.com/docs/webhooks: fields have the names that were chosen there.
BAMBOOHR = HrMapping(
    name="bamboohr",
    each="employees",
    type=(
        "fields.Employment Status.value",
        "fields.employmentHistoryStatus.value",
        "fields.Status.value",
        "fields.status.value",
        "action",
    ),
    leaving=frozenset({"Terminated", "Inactive", "Deleted"}),
    returning=frozenset({"Active", "Full-Time", "Part-Time", "Contractor"}),
    going_away=frozenset({"Leave of Absence", "On Leave", "Furloughed"}),
    happened=("_.timestamp",),
    user_name=(),
    emails=("fields.Work Email.value", "fields.workEmail.value"),
    numbers=("fields.Employee #.value", "fields.employeeNumber.value"),
    last_day=("fields.Termination Date.value", "fields.terminationDate.value"),
    zone=("fields.Time Zone.value", "fields.timeZone.value"),
    kind=("fields.Termination Type.value", "fields.terminationType.value"),
    involuntary=frozenset({"Involuntary", "Termination (Involuntary)"}),
    dated=False,
    by_last_day=True,
    signing="bamboohr",
)
# https://apidocs.hibob.com/reference/webhook-events-v2: v2 names the employee by id only, v1 by e-mail too.
HIBOB = HrMapping(
    name="hibob",
    type=("type",),
    leaving=frozenset({"employee.left", "employee.deleted"}),
    returning=frozenset({"employee.joined", "employee.activated"}),
    going_away=frozenset({"employee.inactivated"}),
    happened=("triggeredAt",),
    user_name=(),
    emails=("employee.email", "data.employee.email"),
    numbers=("data.employeeId", "employee.id"),
    last_day=("data.effectiveDate", "employee.terminationDate"),
    first_day=("data.effectiveDate",),
    zone=("employee.timezone",),
    kind=("data.terminationType",),
    involuntary=frozenset({"Involuntary"}),
    dated=False,
    signing="hibob",
    pings=("Ping test", '"Ping test"', '{"text":"Ping test"}', '{"text": "Ping test"}'),
)
# https://developer.personio.de/reference/webhooks: company_id, event_name, occurred_at, payload.
PERSONIO = HrMapping(
    name="personio",
    type=("event_name",),
    leaving=frozenset({"person.deleted", "employment.terminated"}),
    returning=frozenset({"person.created"}),
    moving=frozenset({"employment.updated"}),
    happened=("occurred_at",),
    user_name=(),
    emails=("payload.email", "payload.person.email"),
    numbers=("payload.person.id", "payload.person_id", "payload.id"),
    last_day=("payload.last_working_day", "payload.employment_end_date", "payload.contract_end_date"),
    zone=("payload.time_zone",),
    kind=("payload.termination_type",),
    involuntary=frozenset({"company", "involuntary"}),
    dated=False,
    signing="personio",
)
RIPPLING = HrMapping(
    name="rippling",
    type=("event",),
    leaving=frozenset({"employee.terminated", "employee.deleted", "employee.offboarding"}),
    returning=frozenset({"employee.rehired", "employee.created"}),
    moving=frozenset({"employee.transitioned", "employee.moved"}),
    going_away=frozenset({"employee.leave_started"}),
    happened=("sent_at",),
    user_name=("employee.user_name",),
    emails=("employee.work_email",),
    numbers=("employee.employee_number",),
    last_day=("employee.end_date",),
    first_day=("employee.leave_start",),
    zone=("employee.time_zone",),
    kind=("employee.termination_type",),
    involuntary=frozenset({"INVOLUNTARY", "involuntary"}),
    dated=False,
    signing="rippling",
)
KNOWN: Mapping[str, HrMapping] = {
    one.name: one for one in (GENERIC, WORKDAY, BAMBOOHR, HIBOB, PERSONIO, RIPPLING)
}
SETTING = "hr_mappings"


def mappings(tables: Mapping[str, Any]) -> dict[str, HrMapping]:
    """Every mapping by the name of its door: those that are known, over them the tables of the settings.

    ConfigurationError names the first key that cannot be meant.
    """
    return {**KNOWN, **{name.casefold(): custom(name, table) for name, table in tables.items()}}


def mapping_for(name: str, known: Mapping[str, HrMapping] = KNOWN) -> HrMapping:
    """The mapping of a door: the one of its name, else the generic one."""
    return known.get(name.casefold(), GENERIC)


def custom(name: str, table: Any) -> HrMapping:
    """A mapping as a settings table says it: `base` is one that is known, every other key replaces a field."""
    key = f"{SETTING}.{name}"
    if not isinstance(table, Mapping):
        raise ConfigurationError(key, "must be a table", f"Write [{key}] with keys below it.")
    base = KNOWN.get(str(table.get("base", GENERIC.name)))
    if base is None:
        raise ConfigurationError(f"{key}.base", "is no mapping", f"Use one of {', '.join(KNOWN)}.")
    known = {one.name for one in fields(HrMapping)} - {"name"}
    changes: dict[str, Any] = {}
    for field, value in table.items():
        if field == "base":
            continue
        if field not in known:
            raise ConfigurationError(
                f"{key}.{field}", "is no part of a mapping", f"Known: base, {', '.join(sorted(known))}."
            )
        changes[field] = _value(f"{key}.{field}", getattr(base, field), value)
    made = replace(base, name=name.casefold(), **changes)
    if made.signing not in SIGNINGS:
        raise ConfigurationError(f"{key}.signing", "is no signature", f"Use one of {', '.join(SIGNINGS)}.")
    if not made.type or not (made.user_name or made.emails or made.numbers):
        raise ConfigurationError(
            key, "says nowhere what happened, or to whom", "Set type, and emails or numbers."
        )
    return made


def _value(key: str, known: Any, value: Any) -> Any:
    if isinstance(known, bool):
        if isinstance(value, bool):
            return value
        raise ConfigurationError(key, "must be true or false", "Write true or false.")
    if isinstance(known, str):
        if isinstance(value, str):
            return value
        raise ConfigurationError(key, "must be text", "Put it in quotes.")
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) and one.strip() for one in texts):
        raise ConfigurationError(key, "must be a list of texts", 'Write ["one", "another"].')
    return type(known)(one.strip() for one in texts)
