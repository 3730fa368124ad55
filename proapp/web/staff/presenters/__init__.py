"""Presenters: values with words and classes, made from what services return, for templates that only print."""
