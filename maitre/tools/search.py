"""The tool with which a model looks into its assistant's collections by itself, as a model sees it. Pure."""

from __future__ import annotations

from maitre.tools.tool import Tool

#: A query that is longer is no query. Characters.
LONGEST = 1000

TOOL = Tool(
    "knowledge",
    "Searches the documents that belong to this conversation. Returns passages of them, each with the number of its"
    " document to be cited by, such as [1].",
    {
        "type": "object",
        "properties": {
            "query": {
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST,
                "description": "What to look for: a question or a few words that can be understood alone.",
            }
        },
        "required": ["query"],
        "additionalProperties": False,
    },
)
