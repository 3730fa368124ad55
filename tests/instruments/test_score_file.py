import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proapp.instruments import answer_table
from proapp.instruments.answer_table import read_table
from proapp.instruments.data_file import DataFileError
from proapp.instruments.load import BUILT_IN, load_pack
from proapp.instruments.score_file import score_columns_of, score_file
from proapp.instruments.scoring import score
from tests.instruments.tiny import STRUCTURE, WORDING

C30 = load_pack(BUILT_IN / "c30")
HEADER = [f"q{number}" for number in range(1, 31)]
GOOD = ["1"] * 28 + ["7", "7"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def content(*rows, header=HEADER, delimiter=",", end="\n"):
    return "".join(delimiter.join(row) + end for row in [header, *rows])


def run(folder, text, instrument=C30):
    """The scored file as a list of dicts; `text` may be str or bytes."""
    (folder / "in.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    count = score_file(instrument, folder / "in.csv", folder / "out.csv")
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == count
    return rows


def refused(folder, text, instrument=C30):
    before = sorted(path.name for path in folder.iterdir() if path.name != "in.csv")
    with pytest.raises(DataFileError) as caught:
        run(folder, text, instrument)
    assert sorted(path.name for path in folder.iterdir() if path.name != "in.csv") == before
    return caught.value


def with_answer(column, value):
    return [value if name == column else answer for name, answer in zip(HEADER, GOOD, strict=True)]


# -- what comes out ----------------------------------------------------------------------------------------------------


def test_other_columns_come_first_unchanged_then_scores_with_counts_then_the_summary(folder):
    text = content(
        ["Ä 1", *GOOD[:15], " note, really ", *GOOD[15:], ""], header=["id", *HEADER[:15], "note", *HEADER[15:], "z"]
    )
    text = text.replace(" note, really ", '" note, ""really"" "')
    (row,) = run(folder, text)
    assert list(row) == ["id", "note", "z", *score_columns_of(C30)]
    assert (row["id"], row["note"], row["z"]) == ("Ä 1", ' note, "really" ', "")
    assert (row["PF2"], row["PF2_N"], row["QL2"], row["QL2_N"], row["C30SUMMARY"]) == (
        "100.0",
        "5",
        "100.0",
        "2",
        "100.0",
    )


def test_scores_are_written_in_full_precision_and_missing_ones_blank(folder):
    codes = [2, 3, 1, None, 4, *[2] * 22, None, 3, None]
    rows = run(folder, content(["" if code is None else str(code) for code in codes], [""] * 29 + ["4"]))
    expected = score(C30, dict(zip(C30.numbers, codes, strict=True)))
    for result in expected:
        assert rows[0][result.code] == ("" if result.value is None else repr(result.value))
    assert rows[0]["FI"] == ""
    assert rows[0]["FI_N"] == "0"
    assert rows[0]["PF2"] == "50.0"
    assert {rows[1][name] for name in score_columns_of(C30) if name not in ("QL2", "QL2_N")} == {"", "0"}
    assert (rows[1]["QL2"], rows[1]["QL2_N"]) == ("50.0", "1")


def test_a_file_with_answers_alone_gives_scores_alone(folder):
    (row,) = run(folder, content(GOOD))
    assert list(row) == score_columns_of(C30)


def test_a_header_without_rows_gives_a_header_without_rows(folder):
    for text in (content(), content().rstrip("\n"), '"q1"' + content()[2:]):
        assert run(folder, text) == []
        assert (folder / "out.csv").read_text() == ",".join(score_columns_of(C30)) + "\n"


def test_columns_may_be_named_with_the_pack_in_any_order_and_case(folder):
    header = [f"C30_Q{number}" for number in range(30, 0, -1)]
    (row,) = run(folder, content(["7", "7", *["1"] * 28], header=header))
    assert (row["QL2"], row["PF2"]) == ("100.0", "100.0")


def test_answers_to_another_instrument_are_other_columns(folder):
    br23 = load_pack(BUILT_IN / "br23")
    header = [f"br23_q{n}" for n in br23.numbers] + [f"lmc21_q{n}" for n in range(31, 52)]
    (row,) = run(folder, content(["2"] * 23 + ["x"] * 21, header=header), br23)
    assert list(row)[:21] == header[23:]
    assert row["lmc21_q31"] == "x"


def test_gates_are_honoured(folder):
    br23 = load_pack(BUILT_IN / "br23")
    header = [f"q{n}" for n in br23.numbers]
    rows = [["1"] * 23, ["2"] * 23, ["", *["2"] * 22]]
    rows[2][3] = ""
    assert [(row["BRHL"], row["BRHL_N"]) for row in run(folder, content(*rows, header=header), br23)] == [
        ("", "0"),
        ("33.33333333333333", "1"),
        ("33.33333333333333", "1"),
    ]


# -- shapes of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_delimiters_line_endings_and_byte_order_marks_make_no_difference(folder, delimiter, end, mark, last):
    text = content(["Å", *GOOD], ["Ö", *GOOD[:-1], ""], header=["id", *HEADER], delimiter=delimiter, end=end)
    (folder / "in.csv").write_bytes(mark + (text if last else text.removesuffix(end)).encode())
    assert score_file(C30, folder / "in.csv", folder / "out.csv") == 2
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=delimiter))
    assert [(row["id"], row["QL2_N"], row["C30SUMMARY"]) for row in rows] == [("Å", "2", "100.0"), ("Ö", "1", "100.0")]


def test_blank_lines_are_skipped_and_still_counted_as_lines(folder):
    assert len(run(folder, content(GOOD) + "\n\n" + ",".join(GOOD) + "\n\n")) == 2
    error = refused(folder, content(GOOD) + "\n\n" + ",".join(with_answer("q1", "8")) + "\n")
    assert error.row == 5


@pytest.mark.parametrize(("spelling", "code"), [("1.0", 1), ("2.00", 2), (" 3 ", 3), (" 4.0", 4)])
def test_whole_numbers_written_as_decimals_or_with_blanks_are_read(folder, spelling, code):
    (row,) = run(folder, content(with_answer("q17", spelling)))
    assert float(row["DI"]) == pytest.approx((code - 1) / 3 * 100)


def test_a_pack_with_one_column_and_codes_of_two_digits_can_be_scored(folder):
    pack = folder / "pain"
    pack.mkdir()
    structure = STRUCTURE.replace("codes = [1, 2, 3, 4, 5, 6, 7]", f"codes = {list(range(-1, 11))}")
    items, scales = structure.index("[[items]]\nnumber = 1"), structure.index("[[scales]]\ncode = \"AB\"")  # fmt: skip
    third, last = structure.index("[[items]]\nnumber = 3"), structure.index('[[scales]]\ncode = "CD"')
    structure = structure[:items] + structure[third:scales] + structure[last : structure.index("[summary]")]
    structure = structure.replace("[responses.four]\ncodes = [1, 2, 3, 4]\n", "")
    (pack / "instrument.toml").write_text(structure, encoding="utf-8")
    words = (
        WORDING.replace('7 = "high"', '10 = "high"').replace('1 = "low"', '-1 = "low"').replace('summary = "S"\n', "")
    )
    four, seven = words.index("[responses.four]"), words.index("[responses.seven]")
    words = words[:four] + words[seven : words.index("[recalls]")] + words[words.index("[scales]") :]
    for line in ('1 = "one?"\n', '2 = "two?"\n', '1 = "one"\n', '2 = "two"\n', 'AB = "ab"\n'):
        words = words.replace(line, "")
    for language in ("sv", "en"):
        (pack / f"wording.{language}.toml").write_text(words, encoding="utf-8")
    instrument = load_pack(pack)
    rows = run(folder, "q3\n10\n5\n\n0\n", instrument)
    assert [row["CD"] for row in rows] == [repr((code + 1) / 11 * 100) for code in (10, 5, 0)]
    # Neither ":" nor "/" stands for the code beside 9 or 0 in the table of characters.
    assert [row["CD"] for row in run(folder, "id,q3\na,9\nb,0\n", instrument)] == [
        repr(10 / 11 * 100),
        repr(1 / 11 * 100),
    ]
    for character in (":", "/"):
        assert refused(folder, f"id,q3\na,9\nb,{character}\n", instrument).value == character


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0", "5", "9", "99", "x", "NA", "1.5", "-1", "1,0", "²", "1.", "01", "1e0", "nan"])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_value_that_is_no_answer_stops_with_row_column_and_value(folder, value, quoted):
    rows = [["a", *GOOD], ["b", *with_answer("q4", f'"{value}"' if quoted or "," in value else value)], ["c", *GOOD]]
    error = refused(folder, content(*rows, header=["id", *HEADER]))
    assert (error.row, error.column, error.value) == (3, "q4", value)
    assert str(error) == f'row 3, column q4: "{value}" is not an answer; allowed are 1, 2, 3, 4, or blank'


def test_the_first_wrong_value_is_named_by_row_then_column_whatever_else_is_wrong(folder):
    second = with_answer("q9", "8")
    second[3] = "7"
    error = refused(folder, content(GOOD, second, with_answer("q1", "x")))
    assert (error.row, error.column, error.value) == (3, "q4", "7")


def test_a_long_value_is_shown_shortened(folder):
    error = refused(folder, content(with_answer("q1", "x" * 1000)))
    assert len(str(error)) < 150
    assert error.value == "x" * 1000


def test_rows_are_lines_of_the_file_even_where_a_cell_holds_lines(folder):
    rows = [['"two\nlines"', *GOOD], ["b", *with_answer("q2", "9")]]
    assert refused(folder, content(*rows, header=["id", *HEADER])).row == 4


@pytest.mark.parametrize("quote", ["", '"'])
def test_ragged_rows_are_refused(folder, quote):
    rows = [GOOD, [f"{quote}1{quote}", *GOOD[1:-1]], GOOD]
    error = refused(folder, content(*rows))
    assert (error.row, str(error)) == (3, "row 3 has 29 cells, but the first row names 30 columns")
    assert refused(folder, content([*GOOD, "1"])).row == 2
    # As many cells as two whole rows have, but not where the rows end.
    assert refused(folder, content(GOOD[:-1], [*GOOD, "1"])).row == 2


@pytest.mark.parametrize("text", ["", "\n\n", "  ", "\ufeff"])
def test_an_empty_file_is_refused(folder, text):
    assert "is empty" in str(refused(folder, text))


def test_missing_columns_are_all_named(folder):
    error = refused(folder, content(GOOD[:28], header=["id", *HEADER[3:]]))
    assert str(error) == "there is no column q1, q2, q3 for c30"
    assert "q1, q2" in str(refused(folder, "no,header,here\n1,2,3\n"))


def test_columns_that_are_there_twice_are_refused(folder):
    for header, named in (
        ([*HEADER, "q7"], 'two columns named "q7"'),
        ([*HEADER, "c30_q7"], 'columns "q7" and "c30_q7" both hold item 7'),
        (["id", *HEADER, "id"], 'two columns named "id"'),
    ):
        assert named in str(refused(folder, content(header=header)))


def test_a_column_named_like_a_score_is_refused(folder):
    for name in ("PF2", "FA_N", "C30SUMMARY"):
        assert f'a column named "{name}" already' in str(refused(folder, content(header=[*HEADER, name])))


def test_text_that_is_not_utf8_is_refused_with_its_row(folder):
    text = content(["Ada", *GOOD], ["Åsa", *GOOD], header=["id", *HEADER]).encode("latin-1")
    error = refused(folder, text)
    assert error.row == 3
    assert "not UTF-8" in str(error)


def test_a_quote_in_the_wrong_place_is_refused_with_its_row(folder):
    error = refused(folder, content(GOOD, with_answer("q1", '"1"1')))
    assert error.row == 3
    assert "not readable as CSV" in str(error)


def test_a_file_that_is_not_there_is_refused(folder):
    with pytest.raises(DataFileError, match="cannot be read: No such file"):
        score_file(C30, folder / "none.csv", folder / "out.csv")


def test_the_answers_are_never_overwritten_with_the_scores(folder):
    (folder / "in.csv").write_text(content(GOOD))
    with pytest.raises(DataFileError, match="the result needs another"):
        score_file(C30, folder / "in.csv", folder / "in.csv")
    assert (folder / "in.csv").read_text() == content(GOOD)


def test_a_place_that_cannot_be_written_is_refused(folder):
    (folder / "in.csv").write_text(content(GOOD))
    for target in (folder / "none" / "out.csv", folder / "in.csv" / "out.csv"):
        with pytest.raises(DataFileError, match="cannot be written"):
            score_file(C30, folder / "in.csv", target)
    (folder / "taken").mkdir()
    with pytest.raises(DataFileError, match="cannot be written"):
        score_file(C30, folder / "in.csv", folder / "taken")
    assert sorted(path.name for path in folder.iterdir()) == ["in.csv", "taken"]


def test_an_earlier_result_stays_when_the_new_run_stops_in_its_last_row(folder, monkeypatch):
    monkeypatch.setattr(answer_table, "BLOCK_BYTES", 200)
    (folder / "out.csv").write_text("earlier")
    refused(folder, content(*[GOOD] * 50, with_answer("q1", "8")))
    assert (folder / "out.csv").read_text() == "earlier"
    assert len(run(folder, content(*[GOOD] * 50))) == 50


# -- the quick way and the csv module ----------------------------------------------------------------------------------


def outcome(folder, text):
    """What a run gives: the bytes written, or the refusal."""
    (folder / "in.csv").write_bytes(text.encode())
    try:
        score_file(C30, folder / "in.csv", folder / "out.csv")
    except DataFileError as error:
        return str(error), error.row, error.column, error.value
    return (folder / "out.csv").read_bytes()


CELLS = st.sampled_from(["", "1", "2", "3", "4", "1", "2", "3", "4", "1", "2", "3", "4"])
ODD = st.sampled_from(["5", "7", "0", "1.0", " 2", "x", "\u00e5", ":", "/", "12"])
TEXTS = st.text(st.sampled_from("aö 1'-;"), max_size=4)


@st.composite
def files(draw):
    first, last = draw(st.booleans()), draw(st.booleans())
    middle = draw(st.integers(0, 30))
    header = [*(["id"] if first else []), *HEADER[:middle], "note", *HEADER[middle:], *(["z"] if last else [])]
    rows = [
        [draw(TEXTS) if name in ("id", "note", "z") else draw(CELLS) for name in header]
        for _ in range(draw(st.integers(0, 5)))
    ]
    if rows and draw(st.booleans()):
        draw(st.sampled_from(rows))[draw(st.integers(0, len(header) - 1))] = draw(ODD)
    if rows and draw(st.integers(0, 4)) == 0:
        draw(st.sampled_from(rows)).pop()
    text = content(*rows, header=header, end=draw(st.sampled_from(["\n", "\r\n"])))
    return text if draw(st.booleans()) else text.rstrip("\r\n")


@settings(deadline=None, max_examples=150)
@given(text=files(), size=st.sampled_from([40, 150, 4_000_000]))
def test_the_quick_way_gives_the_same_bytes_and_refusals_as_the_csv_module(tmp_path_factory, text, size):
    folder = tmp_path_factory.mktemp("score")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer_table, "BLOCK_BYTES", size)
        quick = outcome(folder, text)
        patch.setattr(answer_table, "_is_plain", lambda content: False)
        assert outcome(folder, text) == quick


def test_plain_files_take_the_quick_way(folder, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("read by the csv module")

    (folder / "in.csv").write_text(content(*[["a", *GOOD]] * 30, header=["id", *HEADER]))
    table = read_table(C30, folder / "in.csv")
    monkeypatch.setattr(answer_table, "_blocks_by_csv", never)
    monkeypatch.setattr(answer_table, "BLOCK_BYTES", 500)
    blocks = list(table.blocks())
    assert sum(len(block.matrix) for block in blocks) == 30
    assert len(blocks) > 1


def test_long_files_are_read_in_blocks_by_the_csv_module_too(folder, monkeypatch):
    monkeypatch.setattr(answer_table, "BLOCK_ROWS", 7)
    rows = run(folder, content(*[[f'"p{place}"', *GOOD] for place in range(20)], header=["id", *HEADER]))
    assert [row["id"] for row in rows] == [f"p{place}" for place in range(20)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(st.sampled_from('ab",;\n\r\tå '), max_size=6), min_size=1, max_size=5))
def test_other_columns_pass_through_unchanged_whatever_they_hold(tmp_path_factory, notes):
    folder = tmp_path_factory.mktemp("pass")
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["note", *HEADER], *[[note, *GOOD] for note in notes]])
    assert [row["note"] for row in run(folder, text.getvalue())] == notes
