"""Recording of requests and answers by the server itself, without delaying an answer.

A request puts references into a bounded queue. One thread turns them into Arrow record batches and
appends these, several times a second, to a live file of their version and hour. A full, old or left
over live file becomes a Parquet file.

    COLLECTED/MODEL/live/STEM.arrows                                  an Arrow IPC stream, growing
    COLLECTED/MODEL/requests/date=2026-11-27/hour=09/STEM.parquet     closed
    COLLECTED/MODEL/prediction_logs/date=…/hour=…/STEM.tfrecord       closed, on request
    COLLECTED/MODEL/salt                                              of hashed columns

A live file and the Parquet file that it becomes have the same stem, the same rows and the same
order; for a moment both exist. Files appear by a rename and are readable from then on; a process
that is killed leaves at most an incomplete last batch in a live file.
"""
