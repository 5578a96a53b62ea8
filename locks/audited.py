"""Judges a report of pip-audit: `audited.py LOCK REPORT` fails unless every locked package was looked up and clean."""

import json
import re
import sys
from pathlib import Path


def findings(lock: str, report: str) -> list[str]:
    """What keeps the report from saying that the lock is clean."""
    locked = re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)
    entries = json.loads(report)["dependencies"] if report else []
    looked_up = {entry["name"] for entry in entries if "skip_reason" not in entry}
    missing = [f"{name}: not looked up" for name in locked if name not in looked_up]
    known = [f"{entry['name']}: {flaw['id']}" for entry in entries for flaw in entry.get("vulns", [])]
    return missing + known if locked else ["nothing is locked"]


if __name__ == "__main__":
    lock, report = (Path(name) for name in sys.argv[1:])
    found = findings(lock.read_text(), report.read_text() if report.exists() else "")
    sys.exit("\n".join([*found, f"audit failed: {len(found)} findings"]) if found else None)
