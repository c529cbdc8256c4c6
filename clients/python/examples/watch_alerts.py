# SPDX-License-Identifier: Apache-2.0
"""Prints alerts as they come, and acknowledges those of a rule of one's own.

python watch_alerts.py [http://127.0.0.1:8000 [COUNT]]
"""

from __future__ import annotations

import itertools
import sys

from tidewatch import Client, Conflict


def main() -> None:
    count = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with Client(*sys.argv[1:2]) as client:
        client.put_rule("退款潮", "退款 OR 退钱 -广告", description="for the duty desk")
        for event in itertools.islice(client.watch(), count):
            alert = event.alert
            if alert is None:
                continue
            print(f"{alert.opened_at:%H:%M:%S} {event.action} {alert.severity}: {alert.title}", flush=True)
            if event.action == "opened" and alert.key == "rule:退款潮":
                try:
                    client.acknowledge(alert.id, by="watch_alerts.py", note="seen")
                except Conflict as conflict:  # it was over already
                    print(conflict.detail)


if __name__ == "__main__":
    main()
