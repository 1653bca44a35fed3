"""Applications on published data, beside published numbers."""

ROWS = {
    **dict.fromkeys(("sst2", "chnsenticorp", "trec6", "trec50", "tnews", "sick", "ocnli"), "rows"),
    "atis": "atis",
}
"""Names of rows of the table, and the module that measures each."""
