"""The job type ``email-notifications``: one job is one email to up to 50 recipients, sent over SMTP.

::

    payload.py    what a job may say; refuses what does not fit, with the field and the reason
    settings.py   where and how to send (``CALLBOARD_SMTP_*``)
    rendering.py  templates -> subject, text and HTML with inlined CSS;  plaintext.py: HTML -> text
    message.py    payload + rendered bodies -> one RFC 5322 message
    smtp.py       one SMTP conversation; says what became of each recipient
    progress.py   what is kept between attempts, so that nobody gets the message twice
    steps.py      the places at which a process may die with the job half done
    sending.py    all of the above in order: the actor calls ``send`` and nothing else
    recipients.py addresses, and the hash that stands for one in logs, errors and results
    errors.py     what can be tried again

Promises: a recipient whose copy the server accepted, and this was noted, gets no second one: not on a retry, and not
when the process was killed. The Message-ID and the Date are the same over all attempts. No address appears in a log
line, an exception or a result. A password is never sent in the clear.

Trust window: if the process dies between the server's acceptance and the note of it (one call of Redis, right after the
server's answer), or the connection breaks before the server's last reply, the message is sent again with the same
Message-ID: at least once, as everywhere in Callboard.
"""
