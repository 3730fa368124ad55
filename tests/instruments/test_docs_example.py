"""The example in docs/instrument-packs.md is a pack that loads, so that whoever copies it starts from something true."""

import re
from pathlib import Path

from proapp.instruments.load import load_pack
from proapp.instruments.scoring import score

DOCUMENT = Path(__file__).parents[2] / "docs" / "instrument-packs.md"


def test_the_example_of_the_documentation_loads_and_scores(tmp_path):
    structure, words = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "instrument.toml").write_text(structure, encoding="utf-8")
    for language in ("sv", "en"):
        (tmp_path / f"wording.{language}.toml").write_text(words, encoding="utf-8")
    pack = load_pack(tmp_path)
    assert (pack.licence.kind, pack.validated) == ("licensed", True)
    results = {each.code: each.value for each in score(pack, {1: 4, 2: 4, 3: 10})}
    assert results == {"SLP": 100, "SLQ": 100, "SLEEPSUM": 50}
