# SPDX-License-Identifier: Apache-2.0
"""What schemathesis must be told of Tidewatch: how NDJSON is written."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(context, value):
    """One object a line; anything else as one line of JSON, so that wrong bodies arrive too."""
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()
