"""Scripts travel without comments and air, and say the same."""

from __future__ import annotations

import pytest

from proapp.web.static_files import _lean


@pytest.mark.parametrize(
    ("source", "travels"),
    [
        (b"// why\nconst one = 1; // so\nconst two = one + +one;\n", b"const one=1;\nconst two=one + +one;\n"),
        (b"say(`a = { ${b} }  // c`, 'd : e', \"f ; g\");\n", b"say(`a = { ${b} }  // c`,'d : e',\"f ; g\");\n"),
        (b"t.replace(/ = {2}[/ ] : /g, (x) => x / 2 / y);\n", b"t.replace(/ = {2}[/ ] : /g,(x)=>x / 2 / y);\n"),
        (b"if (a) {\n  b();\n}\nreturn !c ? [1, 2] : -1;\n", b"if(a){b();}\nreturn!c?[1,2]:-1;\n"),
    ],
)
def test_what_matters_stays(source: bytes, travels: bytes) -> None:
    assert _lean("a.js", source) == travels
