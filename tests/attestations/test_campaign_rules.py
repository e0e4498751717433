"""Promises of a campaign's calendar: everybody is asked first, lapses last, and no step is done twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.attestations.campaign_model import Policy, Step, policy_of, steps, upcoming
from scim_bridge.kernel.clock import DAY

policies = st.builds(
    Policy,
    due_days=st.integers(1, 60),
    remind_days=st.lists(st.integers(0, 70), max_size=5).map(tuple),
    sponsor_days=st.integers(0, 70),
    manager_days=st.integers(0, 70),
    grace_days=st.integers(0, 30),
    hold=st.booleans(),
)


@given(policies, st.integers(0, 10**15))
def test_asking_is_first_lapsing_last_and_nothing_of_it_falls_out_of_the_campaigns_time(
    policy, opened
) -> None:
    due = opened + policy.due_days * DAY
    planned = steps(opened, due, policy)
    assert [step for _, step in planned if step is Step.ASK] == [Step.ASK]
    assert planned[0] == (opened, Step.ASK)
    assert planned[-1] == (due + policy.grace_days * DAY, Step.LAPSE)
    assert planned == sorted(planned, key=lambda each: each[0])
    assert all(opened <= at <= due + policy.grace_days * DAY for at, _ in planned)
    assert policy_of(policy.as_json()) == policy


@given(policies, st.lists(st.integers(0, 100 * 24), min_size=1, max_size=12))
def test_whenever_the_worker_comes_each_agent_is_asked_and_lapses_once_and_no_step_is_repeated(
    policy, hours
) -> None:
    planned = steps(0, policy.due_days * DAY, policy)
    done, walked = 0, []
    for hour in [*sorted(hours), 200 * 24, 201 * 24, 202 * 24]:
        while (found := upcoming(planned, done, hour * DAY // 24)) is not None:
            index, step = found
            assert index >= done
            done, walked = index + 1, [*walked, (index, step)]
    assert walked[0][1] is Step.ASK and walked[-1][1] is Step.LAPSE
    assert len({index for index, _ in walked}) == len(walked)


def test_a_short_campaign_reminds_less() -> None:
    kinds = [step for _, step in steps(0, 2 * DAY, Policy(due_days=2))]
    assert kinds == [Step.ASK, Step.MANAGER, Step.OVERDUE, Step.LAPSE]


def test_the_whole_calendar_of_the_defaults() -> None:
    days = [(at // DAY, step.value) for at, step in steps(0, 14 * DAY, Policy())]
    assert days == [
        (0, "ask"),
        (7, "remind"),
        (11, "sponsor"),
        (12, "remind"),
        (13, "manager"),
        (14, "overdue"),
        (21, "lapse"),
    ]
