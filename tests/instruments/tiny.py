"""The smallest pack that has everything: a gate, both layouts, a recall phrase, two kinds of scale, a summary."""

STRUCTURE = """
code = "tiny"
version = "1.0"
algorithm_version = "tiny/1"
languages = ["sv", "en"]
validated = false
core = false
minutes = 1.5
source = "Invented for a test."

[licence]
kind = "original"
holder = "nobody"

[responses.four]
codes = [1, 2, 3, 4]

[responses.seven]
codes = [1, 2, 3, 4, 5, 6, 7]
layout = "tiles"

[[items]]
number = 1
concept = "one"
responses = "four"
recall = "week"

[[items]]
number = 2
concept = "two"
responses = "four"
gate = { item = 1, above = 1 }

[[items]]
number = 3
concept = "three"
responses = "seven"

[[scales]]
code = "AB"
kind = "function"
formula = "function"
items = [1, 2]
high_is = "good"

[[scales]]
code = "CD"
kind = "symptom"
formula = "symptom"
items = [3]
high_is = "bad"

[summary]
code = "ALL"
function_scales = ["AB"]
symptom_scales = ["CD"]
"""

WORDING = """
title = "T"
introduction = "I"
notice = "N"
summary = "S"

[items]
1 = "one?"
2 = "two?"
3 = "three?"

[short]
1 = "one"
2 = "two"
3 = "three"

[responses.four]
1 = "a"
2 = "b"
3 = "c"
4 = "d"

[responses.seven]
1 = "low"
7 = "high"

[recalls]
week = "This week."

[scales]
AB = "ab"
CD = "cd"
"""
