"""Applications on published data, beside published numbers."""

ROWS = {
    **dict.fromkeys(("sst2", "chnsenticorp", "trec6", "trec50", "tnews", "sick", "ocnli"), "rows"),
    "atis": "atis",
    "trecqa": "trecqa",
    "songci": "songci",
    **dict.fromkeys(("ewt", "csrl"), "role_rows"),
    **dict.fromkeys(("multi30k", "tatoeba", "scitldr", "csl", "tweetqa", "cmrc"), "text_rows"),
}
"""Names of rows of the table, and the module that measures each."""
