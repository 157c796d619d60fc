"""deploy/alertmanager/alertmanager.yml: who hears of which alert, how often, and what is left unsaid.

The file is whole as it is written, and Alertmanager starts with it. What differs from place to place (addresses, and
the dead-man URL, which Alertmanager 0.25 cannot read from a file) is put in at deploy by
``deploy/alertmanager/render``. It knows the values below by what they are, and the channels by the comments ``begin``
and ``end`` around them.
"""

from __future__ import annotations

from string import Template

from monitoring.alerts.monitoring import TOLD_BY_WORKERS
from monitoring.site import Site

#: Where secrets are, one a file. Alertmanager reads them when it sends: it starts without them.
SECRETS = "/etc/alertmanager/secrets"

#: Alerts that follow from a pause: nothing of the queue starts, so that what waits grows old and many.
PAUSE_EXPLAINS = (
    "WaitingJobsHigh", "OldestWaitingTooOld", "BacklogGrowing", "QueueNotProcessed", "WaitBudgetBurn", "CanaryLate",
)  # fmt: skip

#: Alerts that follow when no worker serves a queue. Most of them wake somebody, and the first page says why.
NOBODY_EXPLAINS = ("OldestWaitingTooOld", "QueueNotProcessed", "WaitBudgetBurn", "CanaryLate")

#: Alerts that follow when nobody ticks the schedules: no canary is added to any queue, and no other job either.
TICKS_EXPLAIN = ("CanaryLate", "ScheduleOverdue")

#: Alerts without a queue that follow when Redis is down, or nobody exports what it holds.
OUTAGE_EXPLAINS = ("CollectFailing", "WorkersStalled", "SchedulerMissing", "ScheduleOverdue")

#: Alerts of one message to ``POST /api/alerts``, which takes 1 MiB: that many with five annotations each are far below.
MOST_FORWARDED = 100

_TEXT = Template("""\
# Written by `callboard generate`: change monitoring/alertmanager.py.
# Values of this place are put in by ./render; README.md says which.

global:
  resolve_timeout: $resolve_timeout
  slack_api_url_file: "$secrets/slack_api_url"
  pagerduty_url: "https://events.pagerduty.com/v2/enqueue"
  smtp_smarthost: "smtp.invalid:587"
  smtp_from: "callboard@smtp.invalid"
  smtp_auth_username: ""
  smtp_auth_password_file: "$secrets/smtp_password"
  smtp_require_tls: true

templates:
  - "templates/*.tmpl"

route:
  receiver: unsorted
  group_by: [alertname, queue]
  group_wait: $group_wait
  group_interval: $group_interval
  repeat_interval: $repeat_interval
  routes:
    # Fires always. Whoever stops hearing it raises the alarm that nobody here can raise.
    - receiver: dead-man
      matchers: [ 'alertname="Watchdog"' ]
      group_wait: $at_once
      group_interval: $dead_man_interval
      repeat_interval: $dead_man_interval
    # Everything else also goes to POST /api/alerts, which sends it on to SMS, SendGrid, Discord, Datadog and the rest.
    # Without targets there (CALLBOARD_ALERTS_TARGETS) it is answered, and nothing is sent.
    - receiver: callboard
      continue: true
    - receiver: critical
      matchers: [ 'severity="critical"' ]
    - receiver: warning
      matchers: [ 'severity="warning"' ]
      repeat_interval: $repeat_interval_of_warnings
    # A severity that is not known here is a mistake in a rule; the alert must not get lost.
    - receiver: unsorted
      matchers: [ 'severity!~"critical|warning"' ]

# Several Callboards may share an Alertmanager if their Prometheus have an external label `deployment`: none of them
# mutes what another one says. Where nobody sets it, it is equal everywhere.
inhibit_rules:
  # Whoever is woken for a queue looks at the whole of it.
  - source_matchers: [ 'severity="critical"', 'queue!=""' ]
    target_matchers: [ 'severity="warning"', 'queue!=""' ]
    equal: [deployment, queue]
  # A paused queue has a backlog, and its jobs wait too long: that is what a pause is.
  - source_matchers: [ 'alertname="QueuePaused"' ]
    target_matchers: [ 'alertname=~"$pause_explains"' ]
    equal: [deployment, queue]
  # What nobody works on waits for long.
  - source_matchers: [ 'alertname="NoWorkers"' ]
    target_matchers: [ 'alertname=~"$nobody_explains"' ]
    equal: [deployment, queue]
  # A schedule that nobody ticks adds no job: that is one page, and not one a queue some minutes later.
  - source_matchers: [ 'alertname="SchedulerMissing"' ]
    target_matchers: [ 'alertname=~"$ticks_explain"' ]
    equal: [deployment]
  # Without Redis, or without the exporter, nothing is known of the queues, but for what workers tell by themselves.
  - source_matchers: [ 'alertname="RedisDown"' ]
    target_matchers: [ 'queue!=""' ]
    equal: [deployment]
  - source_matchers: [ 'alertname="ExporterAbsent"' ]
    target_matchers: [ 'queue!=""', 'alertname!~"$told_by_workers"' ]
    equal: [deployment]
  - source_matchers: [ 'alertname=~"RedisDown|ExporterAbsent"' ]
    target_matchers: [ 'alertname=~"$outage_explains"' ]
    equal: [deployment]

receivers:
  - name: unsorted
    slack_configs: # begin slack
$slack # end slack

  - name: dead-man
    webhook_configs: # begin dead-man
      - url: "https://dead-man.invalid/"
        send_resolved: false
        max_alerts: 1 # end dead-man

  - name: callboard
    webhook_configs: # begin callboard
      - url: "http://$ops_api/api/alerts"
        max_alerts: $most_forwarded
        http_config:
          authorization:
            credentials_file: "$secrets/callboard_token" # end callboard

  - name: critical
    pagerduty_configs: # begin pagerduty
      - routing_key_file: "$secrets/pagerduty_routing_key"
        description: '{{ template "callboard.pagerduty.summary" . }}'
        severity: '{{ template "callboard.pagerduty.severity" . }}'
        client: Callboard
        client_url: '{{ template "callboard.alertmanager" . }}'
        source: '{{ with .GroupLabels.queue }}{{ . }}{{ else }}callboard{{ end }}'
        class: '{{ .GroupLabels.alertname }}'
        component: '{{ .GroupLabels.queue }}'
        details:
          firing: '{{ template "callboard.pagerduty.firing" . }}'
          resolved: '{{ template "callboard.pagerduty.resolved" . }}'
          description: '{{ (index .Alerts 0).Annotations.description }}'
        links:
          - href: '{{ template "callboard.runbook" . }}'
            text: Runbook
          - href: '{{ template "callboard.dashboard" . }}'
            text: Dashboard # end pagerduty
    slack_configs: # begin slack
$slack # end slack

  - name: warning
    slack_configs: # begin slack
$slack # end slack
    email_configs: # begin email
      - to: "operators@smtp.invalid"
        send_resolved: true
        headers:
          subject: '{{ template "callboard.title" . }}'
        text: '{{ template "callboard.email.text" . }}'
        html: '{{ template "callboard.email.html" . }}' # end email
""")

_SLACK = """\
      - send_resolved: true
        title: '{{ template "callboard.title" . }}'
        title_link: '{{ template "callboard.slack.link" . }}'
        text: '{{ template "callboard.slack.text" . }}'
        fallback: '{{ template "callboard.title" . }}'
        color: '{{ template "callboard.slack.color" . }}'
        footer: ""\
"""


def configuration(site: Site) -> str:
    """deploy/alertmanager/alertmanager.yml."""
    return _TEXT.substitute(
        resolve_timeout=site.span("5m"),
        group_wait=site.span("30s"),
        group_interval=site.span("5m"),
        repeat_interval=site.span("4h"),
        repeat_interval_of_warnings=site.span("12h"),
        at_once=site.span("1s"),
        dead_man_interval=site.span("1m"),
        secrets=SECRETS,
        ops_api=site.addresses.ops_api,
        pause_explains="|".join(PAUSE_EXPLAINS),
        nobody_explains="|".join(NOBODY_EXPLAINS),
        ticks_explain="|".join(TICKS_EXPLAIN),
        told_by_workers="|".join(TOLD_BY_WORKERS),
        outage_explains="|".join(OUTAGE_EXPLAINS),
        most_forwarded=MOST_FORWARDED,
        slack=_SLACK,
    )
