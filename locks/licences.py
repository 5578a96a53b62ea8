"""Lists the licences in a CycloneDX file: `licences.py SBOM`."""

import json
import sys
from collections import defaultdict
from pathlib import Path

names = defaultdict(list)
for component in json.loads(Path(sys.argv[1]).read_text())["components"]:
    stated = [entry.get("expression") or entry["license"] for entry in component.get("licenses", [])]
    licences = {text if isinstance(text, str) else text.get("id") or text["name"] for text in stated}
    names[" / ".join(sorted(licences)) or "not stated"].append(component["name"])
for licence, packages in sorted(names.items()):
    sys.stdout.write(f"{licence}: {', '.join(sorted(packages))}\n")
