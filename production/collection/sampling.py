"""Which requests are in the sample that the servers record."""


def in_sample(request_id: str, share: float) -> bool:
    """Tells whether a request is in the sample, by the rule of the servers.

    Args:
        request_id: Its id.
        share: `collection.share`, in (0, 1].
    """
    if share >= 1:
        return True
    # Not with this module: it needs TensorFlow's protocol buffers.
    from serving.recording.version_records import in_sample as is_drawn

    return is_drawn(request_id, share)
