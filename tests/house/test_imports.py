"""The house rules that can be said as sentences about imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "proapp").rglob("*.py"))


def test_arrows_between_rooms_point_one_way():
    lint = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert lint.returncode == 0, lint.stdout[-3000:] + lint.stderr[-1000:]


def test_only_the_clock_reads_the_system_clock():
    reading = re.compile(r"datetime\.now\(|date\.today\(|\.utcnow\(|time\.time\(|func\.now\(|CURRENT_TIMESTAMP")
    allowed = {ROOT / "proapp" / "clock.py"}
    found = [str(path) for path in SOURCES if path not in allowed and reading.search(path.read_text())]
    assert found == []


def test_the_web_face_builds_no_sql():
    building = re.compile(r"from sqlalchemy import .*\b(select|insert|update|delete|text)\b|session\.(scalars|add)\(")
    found = [str(path) for path in (ROOT / "proapp" / "web").rglob("*.py") if building.search(path.read_text())]
    assert found == []


def test_commits_happen_at_the_edges_only():
    edges = {"transactions.py", "worker.py", "demo", "cli"}
    found = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if ".commit()" in path.read_text() and not edges & set(path.relative_to(ROOT).parts)
    ]
    assert found == []


def test_file_commands_start_without_the_web_or_the_database():
    script = (
        "import sys; import proapp.cli.score, proapp.cli.schedule, proapp.cli.check; "
        "print(sorted({'flask', 'sqlalchemy', 'apscheduler'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
