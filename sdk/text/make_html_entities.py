#!/usr/bin/env python3
"""Writes html_entities_table.inc from Python's html.entities.html5 (the HTML standard's named character references), sorted by bytes.

Run: python make_html_entities.py    Each row: the name without "&" (with ";" where the standard asks for it), the text in UTF-8.
"""
import html.entities
import os

rows = sorted((name.encode(), text.encode()) for name, text in html.entities.html5.items())
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "html_entities_table.inc"), "w") as f:
    f.write("// Written by make_html_entities.py; do not edit.\n")
    for name, text in rows:
        f.write('{"%s", "%s"},\n' % (name.decode(), "".join("\\x%02x" % b for b in text)))
