"""The scores by brute force, in exact fractions, from tables typed here a second time: the judge of the scoring engine.

Nothing is imported from proapp, and the formulas are written in another way than there (items are reversed one by one),
so that one mistake cannot be made in both. `python -m tests.instruments.exact` writes the golden files anew.
"""

import csv
import random
from fractions import Fraction
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"

# pack: first item, last item, items answered on 1-7 (all others 1-4)
ITEMS = {"c30": (1, 30, {29, 30}), "br23": (31, 53, set()), "lmc21": (31, 51, set())}

# score: (items, whether a high answer lowers the score, answers needed, whether a high score is good)
DEFINITIONS = {
    "c30": {
        "QL2": ([29, 30], False, 1, True),
        "PF2": ([1, 2, 3, 4, 5], True, 3, True),
        "RF2": ([6, 7], True, 1, True),
        "EF": ([21, 22, 23, 24], True, 2, True),
        "CF": ([20, 25], True, 1, True),
        "SF": ([26, 27], True, 1, True),
        "FA": ([10, 12, 18], False, 2, False),
        "NV": ([14, 15], False, 1, False),
        "PA": ([9, 19], False, 1, False),
        "DY": ([8], False, 1, False),
        "SL": ([11], False, 1, False),
        "AP": ([13], False, 1, False),
        "CO": ([16], False, 1, False),
        "DI": ([17], False, 1, False),
        "FI": ([28], False, 1, False),
    },
    "br23": {
        "BRBI": ([39, 40, 41, 42], True, 2, True),
        "BRSEF": ([44, 45], False, 1, True),
        "BRSEE": ([46], False, 1, True),
        "BRFU": ([43], True, 1, True),
        "BRST": ([31, 32, 33, 34, 36, 37, 38], False, 4, False),
        "BRBS": ([50, 51, 52, 53], False, 2, False),
        "BRAS": ([47, 48, 49], False, 2, False),
        "BRHL": ([35], False, 1, False),
    },
    "lmc21": {
        "LMC_NP": ([31, 32], False, 1, False),
        "LMC_FA": ([37, 43, 44], False, 2, False),
        "LMC_PA": ([39, 40, 42], False, 2, False),
        "LMC_EP": ([47, 48, 49, 50], False, 2, False),
        "LMC_WL": ([33], False, 1, False),
        "LMC_TA": ([34], False, 1, False),
        "LMC_DM": ([35], False, 1, False),
        "LMC_SM": ([36], False, 1, False),
        "LMC_PN": ([38], False, 1, False),
        "LMC_JA": ([41], False, 1, False),
        "LMC_FR": ([45], False, 1, False),
        "LMC_FE": ([46], False, 1, False),
        "LMC_SX": ([51], False, 1, False),
    },
}

# pack: item -> the item that closes it when answered with 1
GATES = {"c30": {}, "br23": {35: 34, 46: 45}, "lmc21": {}}

SUMMARY_GOOD = ["PF2", "RF2", "EF", "CF", "SF"]
SUMMARY_BAD = ["FA", "NV", "PA", "DY", "SL", "AP", "CO", "DI"]


def numbers(pack):
    first, last, _ = ITEMS[pack]
    return list(range(first, last + 1))


def highest(pack, number):
    return 7 if number in ITEMS[pack][2] else 4


def exact_scores(pack, codes):
    """{code: (score as a Fraction or None, answered)} for {item: code or None}; the summary score has answered None."""
    codes = {number: code for number, code in codes.items() if code is not None}
    for gated, gate in GATES[pack].items():
        if codes.get(gate) == 1:
            codes.pop(gated, None)
    scores = {}
    for name, (items, lowers, needed, _) in DEFINITIONS[pack].items():
        points = []
        for number in items:
            if number in codes:
                top = highest(pack, number)
                step = top - codes[number] if lowers else codes[number] - 1
                points.append(Fraction(100 * step, top - 1))
        scores[name] = (sum(points) / len(points) if len(points) >= needed else None, len(points))
    if pack == "c30":
        parts = [scores[name][0] for name in SUMMARY_GOOD]
        parts += [None if scores[name][0] is None else 100 - scores[name][0] for name in SUMMARY_BAD]
        scores["C30SUMMARY"] = (None if None in parts else sum(parts) / 13, None)
    return scores


def golden_answers(pack):
    """Rows chosen to be telling: all lowest, all highest, nothing, each item alone, each item absent, then by lot."""
    every = numbers(pack)
    yield dict.fromkeys(every, 1)
    yield {number: highest(pack, number) for number in every}
    yield dict.fromkeys(every)
    for alone in every:
        yield {number: 2 if number == alone else None for number in every}
    for absent in every:
        yield {number: None if number == absent else 3 for number in every}
    lot = random.Random(f"golden {pack}")
    for missing in [0, 0.05, 0.1, 0.3, 0.5, 0.8] * 10:
        yield {n: None if lot.random() < missing else lot.randint(1, highest(pack, n)) for n in every}


def golden_rows(pack):
    """The header and rows of the golden file: answers, then score and count of each scale, then the summary score."""
    header = [f"q{number}" for number in numbers(pack)]
    for name in DEFINITIONS[pack]:
        header += [name, f"{name}_N"]
    yield [*header, "C30SUMMARY"] if pack == "c30" else header
    for codes in golden_answers(pack):
        row = ["" if codes[number] is None else str(codes[number]) for number in numbers(pack)]
        for value, answered in exact_scores(pack, codes).values():
            row.append("" if value is None else f"{float(value):.12f}")
            row += [] if answered is None else [str(answered)]
        yield row


if __name__ == "__main__":
    for pack in ITEMS:
        with (GOLDEN / f"{pack}.csv").open("w", newline="", encoding="utf-8") as out:
            csv.writer(out, lineterminator="\n").writerows(golden_rows(pack))
