"""Tests of the rules for promtool: what is scraped, and which alerts fire then, word for word.

``cases`` is what a test is; the other files have them, one a page of alerts, with the numbers of the catalogue and of
``limits``. What an alert should say is written out here once more, so that a wrong template is seen. Every alert has a
case of each kind; a test of this project says which is missing, and changes the rules to see that some case fails.
"""
