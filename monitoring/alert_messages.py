"""What people read of an alert: Alertmanager's templates for Slack, PagerDuty and email.

All are made of the same pieces (``callboard.*``), so that title and links are alike wherever an alert is read. The
language is that of Go's templates with Alertmanager's functions (prometheus.io/docs/alerting/latest/notifications).
"""

from __future__ import annotations

from monitoring.site import Site

#: Alerts of one message that are listed, firing and resolved each. Slack cuts messages off at 40,000 characters
#: (docs.slack.dev, chat.postMessage), and every line has three links.
MOST_LISTED = 20

_HEAD = "{{/* Written by `callboard generate`: change monitoring/alert_messages.py. */}}\n\n"

# The silence's matchers are all labels of the alert. `urlquery` writes a space as +, which the page that reads them
# takes for a plus sign.
_COMMON = """\
{{ define "callboard.title" -}}
[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] \
{{ .GroupLabels.alertname }}{{ with .GroupLabels.queue }} {{ . }}{{ end }}
{{- end }}

{{ define "callboard.alertmanager" }}{{ .ExternalURL }}/#/alerts?receiver={{ .Receiver | urlquery }}{{ end }}

{{ define "callboard.runbook" }}{{ (index .Alerts 0).Annotations.runbook_url }}{{ end }}

{{ define "callboard.dashboard" }}{{ (index .Alerts 0).Annotations.dashboard_url }}{{ end }}

{{ define "callboard.matchers" -}}
%7B\
{{ range $i, $label := .SortedPairs }}{{ if $i }}%2C%20{{ end }}{{ .Name }}%3D%22\
{{ .Value | urlquery | reReplaceAll "[+]" "%20" }}%22{{ end }}\
%7D
{{- end }}

{{ define "callboard.summary" -}}
{{ with .Annotations.summary }}{{ . }}{{ else }}{{ .Labels.alertname }}{{ end }}
{{- end }}

{{ define "callboard.list" -}}
{{ range $i, $alert := . }}{{ if lt $i MOST_LISTED -}}
- {{ template "callboard.summary" . }}
{{ end }}{{ end -}}
{{ if gt (len .) MOST_LISTED }}... {{ len . }} in all
{{ end -}}
{{ end }}
"""

# & < > are Slack's own signs (docs.slack.dev, "Formatting message text": escaping).
_SLACK = """\
{{ define "callboard.slack.escaped" -}}
{{ . | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;" }}
{{- end }}

{{ define "callboard.slack.summary" -}}
{{ with .Annotations.summary }}{{ template "callboard.slack.escaped" . }}{{ else }}{{ .Labels.alertname }}{{ end }}
{{- end }}

{{ define "callboard.slack.color" -}}
{{ if eq .Status "resolved" }}good{{ else if eq .CommonLabels.severity "critical" }}danger{{ else }}warning{{ end }}
{{- end }}

{{ define "callboard.slack.link" -}}
{{ if (index .Alerts 0).Annotations.dashboard_url }}{{ template "callboard.dashboard" . }}\
{{ else }}{{ template "callboard.alertmanager" . }}{{ end }}
{{- end }}

{{ define "callboard.slack.text" -}}
{{ $alertmanager := .ExternalURL -}}
{{ range $i, $alert := .Alerts.Firing }}{{ if lt $i MOST_LISTED -}}
• {{ template "callboard.slack.summary" . }}
{{- with .Annotations.runbook_url }} · <{{ template "callboard.slack.escaped" . }}|Runbook>{{ end }}
{{- with .Annotations.dashboard_url }} · <{{ template "callboard.slack.escaped" . }}|Dashboard>{{ end }} \
· <{{ $alertmanager }}/#/silences/new?filter={{ template "callboard.matchers" .Labels }}|Silence>
{{ end }}{{ end -}}
{{ if gt (len .Alerts.Firing) MOST_LISTED }}… {{ len .Alerts.Firing }} in all
{{ end -}}
{{ range $i, $alert := .Alerts.Resolved }}{{ if lt $i MOST_LISTED -}}
✓ resolved: {{ template "callboard.slack.summary" . }}
{{ end }}{{ end -}}
{{ if gt (len .Alerts.Resolved) MOST_LISTED }}… {{ len .Alerts.Resolved }} resolved in all
{{ end -}}
{{ end }}
"""

_PAGERDUTY = """\
{{ define "callboard.pagerduty.summary" -}}
{{ .GroupLabels.alertname }}: \
{{ with .Alerts.Firing }}{{ template "callboard.summary" (index . 0) }}\
{{ else }}{{ template "callboard.summary" (index .Alerts 0) }}{{ end }}\
{{ if gt (len .Alerts) 1 }} (and {{ len (slice .Alerts 1) }} more){{ end }}
{{- end }}

{{ define "callboard.pagerduty.severity" -}}
{{ if eq .CommonLabels.severity "critical" }}critical{{ else }}warning{{ end }}
{{- end }}

{{ define "callboard.pagerduty.firing" }}{{ template "callboard.list" .Alerts.Firing }}{{ end }}

{{ define "callboard.pagerduty.resolved" }}{{ template "callboard.list" .Alerts.Resolved }}{{ end }}
"""

# html/template refuses `urlquery`: it encodes what stands in a URL by itself.
_EMAIL = """\
{{ define "callboard.email.matchers" -}}
%7B{{ range $i, $label := .SortedPairs }}{{ if $i }}%2C%20{{ end }}{{ .Name }}%3D%22{{ .Value }}%22{{ end }}%7D
{{- end }}

{{ define "callboard.email.text" -}}
{{ $alertmanager := .ExternalURL -}}
{{ range $i, $alert := .Alerts.Firing }}{{ if lt $i MOST_LISTED -}}
{{ template "callboard.summary" . }}
{{ with .Annotations.description }}{{ . }}
{{ end -}}
{{ with .Annotations.runbook_url }}  Runbook:   {{ . }}
{{ end -}}
{{ with .Annotations.dashboard_url }}  Dashboard: {{ . }}
{{ end }}  Silence:   {{ $alertmanager }}/#/silences/new?filter={{ template "callboard.matchers" .Labels }}

{{ end }}{{ end -}}
{{ if gt (len .Alerts.Firing) MOST_LISTED }}... {{ len .Alerts.Firing }} in all

{{ end -}}
{{ if .Alerts.Resolved }}Resolved:
{{ template "callboard.list" .Alerts.Resolved }}{{ end -}}
{{ end }}

{{ define "callboard.email.html" -}}
{{ $alertmanager := .ExternalURL -}}
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{ template "callboard.title" . }}</title></head>
<body style="font-family: sans-serif">
<h2>{{ template "callboard.title" . }}</h2>
{{ range $i, $alert := .Alerts.Firing }}{{ if lt $i MOST_LISTED -}}
<p><strong>{{ template "callboard.summary" . }}</strong>{{ with .Annotations.description }}<br>{{ . }}{{ end }}<br>
{{ with .Annotations.runbook_url }}<a href="{{ . }}">Runbook</a> · {{ end -}}
{{ with .Annotations.dashboard_url }}<a href="{{ . }}">Dashboard</a> · {{ end -}}
<a href="{{ $alertmanager }}/#/silences/new?filter={{ template "callboard.email.matchers" .Labels }}">Silence</a></p>
{{ end }}{{ end -}}
{{ if gt (len .Alerts.Firing) MOST_LISTED }}<p>… {{ len .Alerts.Firing }} in all</p>
{{ end -}}
{{ range $i, $alert := .Alerts.Resolved }}{{ if lt $i MOST_LISTED -}}
<p>Resolved: {{ template "callboard.summary" . }}</p>
{{ end }}{{ end -}}
{{ if gt (len .Alerts.Resolved) MOST_LISTED }}<p>… {{ len .Alerts.Resolved }} resolved in all</p>
{{ end -}}
</body></html>
{{- end }}
"""


def common(site: Site) -> str:  # noqa: ARG001  # messages are the same everywhere
    """deploy/alertmanager/templates/common.tmpl: title, links and lists for all of them."""
    return _made(_COMMON)


def slack(site: Site) -> str:  # noqa: ARG001  # as above
    """deploy/alertmanager/templates/slack.tmpl."""
    return _made(_SLACK)


def pagerduty(site: Site) -> str:  # noqa: ARG001  # as above
    """deploy/alertmanager/templates/pagerduty.tmpl."""
    return _made(_PAGERDUTY)


def email(site: Site) -> str:  # noqa: ARG001  # as above
    """deploy/alertmanager/templates/email.tmpl."""
    return _made(_EMAIL)


def _made(text: str) -> str:
    return _HEAD + text.replace("MOST_LISTED", str(MOST_LISTED))
