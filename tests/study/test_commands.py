"""`proapp schedule` and `proapp check`, as somebody at a terminal meets them."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest
from click.testing import CliRunner
from icalendar import Calendar

from proapp.cli.check import check
from proapp.cli.schedule import schedule


@pytest.fixture
def run(monkeypatch):
    monkeypatch.delenv("PROAPP_STUDY", raising=False)
    monkeypatch.delenv("PROAPP_PACKS_DIR", raising=False)

    def ran(command, *arguments):
        result = CliRunner().invoke(command, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return ran


CSV = """randomized_on,timepoint,target_on,opens_on,closes_on,late_until
2025-11-30,m03,2026-02-28,2026-02-14,2026-03-28,2026-04-11
2025-11-30,m06,2026-05-30,2026-05-16,2026-06-27,2026-07-11
2025-11-30,m12,2026-11-30,2026-11-02,2027-01-11,2027-01-25
2025-11-30,m18,2027-05-30,2027-05-02,2027-07-11,2027-07-25
2025-11-30,m24,2027-11-30,2027-11-02,2028-01-25,2028-02-08
2025-11-30,m36,2028-11-30,2028-11-02,2029-01-25,2029-02-08
"""


def test_one_date_as_csv(run):
    result = run(schedule, "2025-11-30", "--format", "csv")
    assert (result.exit_code, result.output) == (0, CSV)


def test_many_dates_from_a_file_in_their_order(run, tmp_path):
    dates = tmp_path / "dates.txt"
    dates.write_text("# first patients\n\n2026-01-02\n 2025-11-30 \n2026-01-02\n", encoding="utf-8")
    lines = run(schedule, "--dates", dates, "--format", "csv").output.splitlines()
    assert [line.split(",")[0] for line in lines[1::6]] == ["2026-01-02", "2025-11-30", "2026-01-02"]
    assert lines[1:7] == lines[13:19]
    assert lines[7:13] == CSV.splitlines()[1:]
    assert run(schedule, "--dates", dates).output.count("Randomised Fri 2026-01-02") == 2


def test_the_table_says_weekdays_and_what_may_surprise(run):
    english = run(schedule, "2025-11-30").output
    assert "Randomised Sun 2025-11-30" in english
    assert "Sat 2026-02-28" in english
    assert english.count("last day of a short month") == 1
    swedish = run(schedule, "2025-12-29", "--lang", "sv").output
    assert "Lottad mån 2025-12-29" in swedish
    assert "2026-03-29 har 23 timmar" in swedish
    assert "2026-10-25 has 25 hours" in run(schedule, "2026-07-25").output


def test_the_table_names_holidays_and_eves(run):
    english = run(schedule, "2026-01-02").output  # 2 April is Maundy Thursday; the window of m03 is open over Easter
    assert "moved from Sun 2026-04-05 (Easter Sunday)" in english
    assert "2026-12-24 is an eve on which clinics close" in run(schedule, "2026-09-24").output
    assert "2027-01-06 är trettondedag jul" in run(schedule, "2026-07-06", "--lang", "sv").output


REMINDERS = """randomized_on,timepoint,step,channel,nominal_on,due_on,due_at,goes
2025-12-29,m03,opens+0,message,2026-03-15,2026-03-16,2026-03-16T10:00:00+01:00,Y
2025-12-29,m03,target+3,message,2026-04-01,2026-04-01,2026-04-01T10:00:00+02:00,Y
2025-12-29,m03,target+10,task,2026-04-08,2026-04-08,2026-04-08T00:00:00+02:00,Y
2025-12-29,m03,closes-8,digest,2026-04-18,2026-04-20,2026-04-20T00:00:00+02:00,Y
2025-12-29,m03,closes-7,message,2026-04-19,2026-04-20,2026-04-20T10:00:00+02:00,Y
"""


def test_the_reminders_of_one_date_as_csv(run):
    result = run(schedule, "2025-12-29", "--reminders", "--format", "csv")
    assert result.exit_code == 0
    assert result.output.startswith(REMINDERS)
    assert len(result.output.splitlines()) == 1 + 6 * 5


def test_the_reminders_of_one_date_as_a_table(run):
    both = run(schedule, "2025-12-29").output
    only = run(schedule, "2025-12-29", "--reminders").output
    assert "Target" in both
    assert "Target" not in only
    line = (
        "Mon 2026-03-16  10:00  m03         opens+0    message by the participant's channel  moved from Sun 2026-03-15"
    )
    assert line in both
    assert line in only
    task = next(line for line in only.splitlines() if "m03         target+10" in line)
    assert task == "Wed 2026-04-08         m03         target+10  call, on the nurse's worklist"


def test_who_wants_letters_has_them_on_working_days(run):
    by_sms, by_letter = (
        run(schedule, "2026-10-07", "--reminders", "--format", "csv", "--by", way).output for way in ("sms", "letter")
    )
    assert "m03,opens+0,message,2026-12-24,2026-12-24,2026-12-24T10:00:00+01:00,Y" in by_sms
    assert "m03,opens+0,message,2026-12-24,2026-12-28,2026-12-28T00:00:00+01:00,Y" in by_letter


def test_two_steps_that_meet_on_one_day_are_told(run, write):
    near = '{ relative_to = "closes", days = -8, channel = "sms" }, { relative_to = "closes", days = -7'
    path = write(
        ('{ relative_to = "closes", days = -7', near), ("[[sites]]", '[follow_up]\nweekdays = ["wed"]\n\n[[sites]]')
    )
    output = run(schedule, "2026-01-15", "--study", path).output
    assert output.count("not sent: a later step is due that day") == 1


def test_the_forecast_counts_calls_and_messages_of_each_site_and_week(run, tmp_path):
    dates = tmp_path / "dates.csv"
    dates.write_text("randomized_on,site\n2025-12-29,UME\n2025-12-29;UME\n2025-12-30 LUN\n", encoding="utf-8")
    lines = run(schedule, "--dates", dates, "--forecast", "--format", "csv").output.splitlines()
    assert lines[:6] == [
        "week,monday,site,calls,messages",
        "2026-W12,2026-03-16,LUN,0,1",
        "2026-W12,2026-03-16,UME,0,2",
        "2026-W14,2026-03-30,LUN,0,1",
        "2026-W14,2026-03-30,UME,0,2",
        "2026-W15,2026-04-06,LUN,1,0",
    ]
    table = run(schedule, "--dates", dates, "--forecast", "--lang", "sv").output
    assert table.startswith("3 deltagare, som om ingen svarade\nVecka ")
    assert [line.split() for line in table.splitlines()[-2:]] == [
        ["Totalt", "LUN", "6", "18"],
        ["Totalt", "UME", "12", "36"],
    ]


def test_a_forecast_from_numbers_spreads_them_evenly(run):
    arguments = ("2026-01-01", "--forecast", "--enrol", "UME=4", "--enrol", "LUN=2", "--format", "csv")
    lines = [line.split(",") for line in run(schedule, *arguments).output.splitlines()[1:]]
    assert {site: sum(int(calls) for _, _, where, calls, _ in lines if where == site) for site in ("UME", "LUN")} == {
        "UME": 24,
        "LUN": 12,
    }
    half = run(schedule, *arguments, "--answering", "50").output
    assert sum(float(line.split(",")[3]) for line in half.splitlines()[1:]) == pytest.approx(36 / 4, abs=1.5)
    assert (
        "4 participants, of whom 12.5 % of those left answer"
        in run(schedule, "2026-01-01", "--forecast", "--enrol", "UME=4", "--answering", "12.5").output
    )


def test_large_numbers_are_written_out(run):
    output = run(schedule, "2026-01-01", "--forecast", "--enrol", "UME=99999", "--months", "1").output
    assert output.splitlines()[-1].split() == ["In", "all", "UME", "599994", "1799982"]


def test_a_forecast_of_nobody_is_empty(run):
    assert (
        run(schedule, "2026-01-01", "--forecast", "--enrol", "UME=0", "--format", "csv").output
        == "week,monday,site,calls,messages\n"
    )


def test_the_calendar_is_neutral_and_always_the_same(run, tmp_path):
    dates = tmp_path / "dates.txt"
    dates.write_text("2025-11-30\n2025-11-30\n", encoding="utf-8")
    first, second = (run(schedule, "--dates", dates, "--format", "ics", "--lang", "sv").output for _ in range(2))
    assert first == second
    events = Calendar.from_ical(first).walk("VEVENT")
    assert len(events) == len({event["uid"] for event in events}) == 12
    assert {str(event["summary"]) for event in events} == {"Frågeformulär att besvara"}
    assert (events[0].decoded("dtstart"), events[0].decoded("dtend")) == (date(2026, 2, 14), date(2026, 3, 29))
    assert "BreCLIM" not in first


def test_an_arm_has_its_own_time_points(run, write):
    path = write(('kind = "event"\nanchor = "surgery"', 'kind = "scheduled"\nanchor = "randomization"\nmonths = 9'))
    for arm, codes in (("SURG", ["m03", "m06", "op1"]), ("ONC", ["m03", "m06"])):
        lines = run(schedule, "2026-01-15", "--study", path, "--arm", arm, "--format", "csv").output.splitlines()
        assert [line.split(",")[1] for line in lines[1:]] == codes


def test_the_study_and_packs_of_the_environment_are_used(run, write, monkeypatch, tmp_path):
    monkeypatch.setenv("PROAPP_STUDY", str(write()))
    monkeypatch.setenv("PROAPP_PACKS_DIR", str(tmp_path))
    output = CliRunner().invoke(schedule, ["2026-01-15", "--format", "csv"]).output
    assert [line.split(",")[1] for line in output.splitlines()[1:]] == ["m03", "m06"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["2025-02-30"], 'DATE: "2025-02-30" is not a date; write it as in 2026-02-28'),
        (["20250228"], 'DATE: "20250228" is not a date'),
        (["2025-W09-5"], 'DATE: "2025-W09-5" is not a date'),
        (["0025-02-28"], "DATE: 0025-02-28 is not between the years 1900 and 2200"),
        ([], "give either a date or --dates FILE"),
        (["2025-02-28", "--dates", "dates.txt"], "give either a date or --dates FILE"),
        (["2025-02-28", "--arm", "KIR"], '"KIR" is not an arm of BreCLIM-2; its arms are SURG, ONC'),
        (["2025-02-28", "--enrol", "UME=3"], "--enrol belongs to --forecast"),
        (["2025-02-28", "--forecast"], "give either --dates FILE, or DATE and --enrol SITE=NUMBER"),
        (["--forecast", "--enrol", "UME=3"], "give either --dates FILE, or DATE and --enrol SITE=NUMBER"),
        (
            ["2025-02-28", "--forecast", "--dates", "dates.txt"],
            "give either --dates FILE, or DATE and --enrol SITE=NUMBER",
        ),
        (
            ["2025-02-28", "--forecast", "--enrol", "UME"],
            '--enrol: "UME" is not written as SITE=NUMBER, such as UME=12',
        ),
        (
            ["2025-02-28", "--forecast", "--enrol", "OSL=3"],
            '--enrol: "OSL" is not a site of BreCLIM-2; its sites are UME, GOT',
        ),
        (["2025-02-28", "--reminders", "--format", "ics"], "a calendar holds windows only"),
        (["2025-02-28", "--format", "pdf"], "'pdf' is not one of 'table', 'csv', 'ics'"),
    ],
)
def test_a_wrong_use_is_explained(arguments, sentence, run):
    result = run(schedule, *arguments)
    assert result.exit_code == 2
    assert sentence in result.output


def test_a_bad_line_is_named_and_nothing_is_printed(run, tmp_path):
    dates = tmp_path / "dates.txt"
    dates.write_text("2026-01-15\n\n15/1 2026\n", encoding="utf-8")
    result = run(schedule, "--dates", dates, "--format", "csv")
    assert result.exit_code == 2
    assert f'{dates}, line 3: "15/1 2026" is not a date' in result.output
    assert "m03" not in result.output


def test_a_bad_line_of_a_forecast_is_named(run, tmp_path):
    dates = tmp_path / "dates.txt"
    dates.write_text("2026-01-15 UME\n2026-01-15 OSL\n", encoding="utf-8")
    result = run(schedule, "--dates", dates, "--forecast")
    assert result.exit_code == 2
    assert f'{dates}, line 2: "OSL" is not a site of BreCLIM-2' in result.output


def test_a_column_of_dates_may_have_its_name(run, tmp_path):
    dates = tmp_path / "dates.csv"
    dates.write_text("randomized_on\n2026-01-15\n", encoding="utf-8")
    output = run(schedule, "--dates", dates, "--format", "csv").output
    assert output == run(schedule, "2026-01-15", "--format", "csv").output
    dates.write_text("2026-01-15\nrandomized_on\n", encoding="utf-8")
    assert f'{dates}, line 2: "randomized_on" is not a date' in run(schedule, "--dates", dates).output


def test_a_file_of_dates_that_cannot_be_read(run, tmp_path):
    result = run(schedule, "--dates", tmp_path / "none.txt")
    assert result.exit_code == 1
    assert "none.txt: cannot be read as UTF-8 text" in result.output


def test_a_faulty_study_file_is_told_instead_of_a_schedule(run, write):
    result = run(schedule, "2026-01-15", "--study", write(("months = 6", "months = 3")))
    assert result.exit_code == 1
    assert "timepoints[m06].months: is not after m03" in result.output


def test_what_is_shipped_is_in_order(run):
    result = run(check)
    assert result.exit_code == 0
    assert [line.split("/")[-1] for line in result.output.splitlines()] == [
        "br23: OK",
        "c30: OK",
        "lmc21: OK",
        "breclim2.toml: OK",
    ]


def test_every_problem_of_every_file_is_printed(run, write):
    broken = write(("months = 6", "months = 3"), ('number = "1"', "number = 1"))
    result = run(check, broken, "no-such-file.toml")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{broken}: number: must be a text",
        f"{broken}: timepoints[m06].months: is not after m03, the time point before it; put them in order of time",
        "no-such-file.toml: cannot be read: No such file or directory",
    ]


def test_the_files_of_the_environment_are_checked_too(run, write, monkeypatch, tmp_path):
    (tmp_path / "packs" / "own").mkdir(parents=True)
    monkeypatch.setenv("PROAPP_STUDY", str(write()))
    monkeypatch.setenv("PROAPP_PACKS_DIR", str(tmp_path / "packs"))
    result = CliRunner().invoke(check, [])
    assert result.exit_code == 1
    assert f"{tmp_path}/packs/own/instrument.toml: cannot be read" in result.output


def test_a_faulty_pack_hides_no_problem_of_the_study_and_is_said_once(run, write, monkeypatch, tmp_path):
    pack = tmp_path / "packs" / "somewhere"
    pack.mkdir(parents=True)
    (pack / "instrument.toml").write_text('code = "own"\nversion = 1', encoding="utf-8")
    (tmp_path / "packs" / "c30").mkdir()  # nothing in it, and it was to replace the one that comes with proapp
    study = write(("months = 6", "months = 3"), ('["c30"]', '["c30", "own", "gone"]'))
    monkeypatch.setenv("PROAPP_STUDY", str(study))
    monkeypatch.setenv("PROAPP_PACKS_DIR", str(tmp_path / "packs"))
    lines = CliRunner().invoke(check, []).output.splitlines()
    assert (
        f"{study}: timepoints[m06].months: is not after m03, the time point before it; put them in order of time"
        in lines
    )
    assert any(line.startswith(f"{pack}/instrument.toml: version") for line in lines)
    assert [line for line in lines if "there is no pack" in line] == [
        f'{study}: timepoints[baseline].instruments: names "gone", but there is no pack of that code'
    ]
    assert len(lines) == len(set(lines))
    started = CliRunner().invoke(schedule, ["2026-01-15"]).output
    assert "timepoints[m06].months" in started
    assert "version" in started


def test_neither_command_waits_for_the_web_or_the_database():
    script = (
        "import sys, proapp.cli.schedule, proapp.cli.check;"
        "sys.exit(','.join(sorted({'flask', 'sqlalchemy', 'flask_babel', 'wtforms', 'apscheduler'} & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_without_dates_gives_an_empty_schedule(run, tmp_path):
    dates = tmp_path / "dates.txt"
    dates.write_text("# nobody yet\n", encoding="utf-8")
    assert run(schedule, "--dates", dates).output == ""
    assert run(schedule, "--dates", dates, "--format", "csv").output == CSV.splitlines(keepends=True)[0]
