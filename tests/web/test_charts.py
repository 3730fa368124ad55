from __future__ import annotations

from datetime import date

from proapp.web.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Moment, Reading, chart

DAYS = (date(2026, 1, 1), date(2026, 4, 1), date(2026, 7, 1), date(2027, 1, 1))


def readings(*values: float | None, over: tuple[bool, ...] = (True, True, True, True)) -> list[Reading]:
    moments = [Moment(day, str(number), f"visit {number}") for number, day in enumerate(DAYS)]
    return [Reading(moment, value, is_over) for moment, value, is_over in zip(moments, values, over, strict=True)]


def test_a_missing_value_is_a_gap_and_never_a_line_drawn_through_it() -> None:
    drawn = chart("PF2", readings(50.0, None, 60.0, 70.0), is_symptom=False)
    assert len(drawn.paths) == 1
    assert drawn.paths[0].count("L") == 1
    assert [tick.text for tick in drawn.gaps] == ["visit 1"]


def test_what_is_still_to_come_is_no_gap() -> None:
    drawn = chart("PF2", readings(50.0, 60.0, None, None, over=(True, True, False, False)), is_symptom=False)
    assert drawn.gaps == ()
    assert len(drawn.x_ticks) == 4


def test_time_is_true_to_scale() -> None:
    drawn = chart("PF2", readings(0.0, 0.0, 0.0, 0.0), is_symptom=False)
    start, end = drawn.points[0].x, drawn.points[-1].x
    assert (start, end) == (LEFT + 6, WIDTH - RIGHT - 6)
    share = (drawn.points[1].x - start) / (end - start)
    assert abs(share - 90 / 365) < 0.005


def test_the_whole_scale_from_0_to_100_is_always_shown() -> None:
    drawn = chart("PA", readings(0.0, 100.0, 50.0, 100 / 3), is_symptom=True)
    assert [point.y for point in drawn.points[:3]] == [HEIGHT - BOTTOM, TOP, (HEIGHT - BOTTOM + TOP) / 2]
    assert [tick.text for tick in drawn.y_ticks] == ["0", "50", "100"]
    assert drawn.points[3].text == "33"


def test_the_figure_says_its_values_aloud() -> None:
    drawn = chart("PA", readings(0.0, None, 66.66666666666667, 100.0), is_symptom=True)
    assert drawn.spoken == "visit 0 0; visit 2 67; visit 3 100"


def test_events_stand_inside_the_axis_only() -> None:
    marks = [(date(2025, 1, 1), "before"), (date(2026, 7, 1), "surgery"), (date(2028, 1, 1), "after")]
    drawn = chart("PF2", readings(1.0, 2.0, 3.0, 4.0), is_symptom=False, events=marks)
    assert [tick.text for tick in drawn.events] == ["surgery"]


def test_names_too_close_under_the_axis_are_left_out() -> None:
    close = [Reading(Moment(date(2026, 1, day), str(day), f"day {day}"), 1.0) for day in (1, 2, 31)]
    assert [tick.text for tick in chart("PF2", close, is_symptom=False).x_ticks] == ["1", "31"]


def test_one_single_day_is_drawn_without_dividing_by_nothing() -> None:
    one = [Reading(Moment(DAYS[0], "0", "start"), 50.0)]
    assert chart("PF2", one, is_symptom=False).points[0].x == LEFT + 6
