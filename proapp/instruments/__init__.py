"""Questionnaires as plain values: what is asked, what an answer may be, and what the answers amount to.

Everything here is arithmetic on answers and reading of definition files. It knows no database, no web page and no
clock, so that the same code scores one patient on a phone, an export of a whole trial, and a file from elsewhere.
"""
