"""The shapes of map that steps share: `passes` (documents through filters), `exchange` (the shuffle), `keyed` (map,
exchange by key, reduce), `decide` (proposals become decisions). Knows steps by their types only. May import `corpus`
and `pipelines.engine`, and `pipelines.context`."""
