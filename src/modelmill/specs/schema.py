"""JSON Schemas of the declaration files, for editors."""

import json
from typing import Any

from modelmill.specs.resolve import SPECS, WHOLE

DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def schema_files() -> dict[str, str]:
    """File name to text: `products.schema.json`, ... for files of names, `registry.schema.json`, ... for whole ones."""
    schemas: dict[str, dict[str, Any]] = {}
    for kind, spec in SPECS.items():
        schema = spec.model_json_schema()
        definitions = schema.pop("$defs", {}) | {kind: schema}
        named = {"type": "object", "additionalProperties": {"$ref": f"#/$defs/{kind}"}}
        schemas[kind] = DIALECT | named | {"$defs": definitions}
    for name, whole in WHOLE.items():
        schemas[name] = DIALECT | whole.model_json_schema()
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }
