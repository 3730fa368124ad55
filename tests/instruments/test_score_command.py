import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from proapp.cli.score import score
from proapp.instruments.load import BUILT_IN

GOOD = ",".join(f"q{n}" for n in range(1, 31)) + "\n" + ",".join(["1"] * 30) + "\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in.csv").write_text(GOOD)
    return tmp_path


def run(folder, pack, *options, **environment):
    arguments = [pack, str(folder / "in.csv"), "-o", str(folder / "out.csv"), *options]
    return CliRunner().invoke(score, arguments, env={"PROAPP_PACKS_DIR": None} | environment)


def test_a_pack_is_named_by_its_code(folder):
    result = run(folder, "c30")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 rows scored" in result.stderr
    assert (folder / "out.csv").read_text().startswith("QL2,QL2_N,")


def test_a_pack_is_named_by_its_folder(folder):
    assert run(folder, str(BUILT_IN / "c30")).exit_code == 0
    assert (folder / "out.csv").exists()


def test_a_wrong_value_ends_with_status_1_and_nothing_written(folder):
    (folder / "in.csv").write_text(GOOD.replace("\n1,1,", "\n1,9,"))
    result = run(folder, "c30")
    assert result.exit_code == 1
    assert 'row 2, column q2: "9" is not an answer' in result.stderr
    assert "nothing was written" in result.stderr
    assert not (folder / "out.csv").exists()


def test_an_unknown_pack_ends_with_status_1_and_names_the_known_ones(folder):
    result = run(folder, "c31")
    assert result.exit_code == 1
    assert "known are br23, c30, lmc21" in result.stderr


def test_mounted_packs_are_found_and_replace_built_in_ones(folder):
    mounted = folder / "packs"
    shutil.copytree(BUILT_IN / "c30", mounted / "c30")
    structure = mounted / "c30" / "instrument.toml"
    structure.write_text(structure.read_text().replace('code = "QL2"', 'code = "GH"'))
    for language in ("sv", "en"):
        wording = mounted / "c30" / f"wording.{language}.toml"
        wording.write_text(wording.read_text().replace("QL2 =", "GH ="))
    assert run(folder, "c30", PROAPP_PACKS_DIR=str(mounted)).exit_code == 0
    assert (folder / "out.csv").read_text().startswith("GH,GH_N,")
    assert run(folder, "c30", "--packs", str(mounted)).exit_code == 0
    assert run(folder, "br23", PROAPP_PACKS_DIR=str(mounted)).exit_code == 1


def test_a_faulty_mounted_pack_ends_with_all_its_problems(folder):
    mounted = folder / "packs"
    shutil.copytree(BUILT_IN / "c30", mounted / "c30")
    (mounted / "c30" / "wording.sv.toml").write_text('title = "T"\n')
    result = run(folder, "c30", PROAPP_PACKS_DIR=str(mounted))
    assert result.exit_code == 1
    assert result.stderr.count("has no wording in this language") > 60


def test_scoring_a_file_loads_neither_the_web_nor_the_database(folder):
    program = (
        "import sys; from proapp.cli.score import score;"
        f"score(['c30', {str(folder / 'in.csv')!r}, '-o', {str(folder / 'out.csv')!r}], standalone_mode=False);"
        "print(sorted(set(sys.modules) & {'flask', 'sqlalchemy', 'babel', 'wtforms', 'apscheduler'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert (folder / "out.csv").exists()
