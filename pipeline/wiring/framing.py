"""Whether, and how, the exported graph can cut whole recordings into windows."""

from collections.abc import Iterator

from models.features import Signal, of_kind, raw_feature_names
from models.framing import FRAMING_KEY, NO_FRAMING_KEY, NUM_SAMPLES, Framing
from pipeline.config import Config
from pipeline.reading.recordings.history import history_names
from pipeline.reading.recordings.windows import Cutting
from pipeline.recording_options import OWN_COLUMNS, RATE, RECORDING, Window, with_channels

# Columns of a window that a client could only know by cutting it.
_OF_WINDOWS = frozenset(OWN_COLUMNS) - {RECORDING, RATE}


def framing_properties(config: Config) -> dict[str, str]:
    """Returns what the Trainer is told of recordings; nothing if examples are no windows of them.

    Args:
        config: The use case.

    Returns:
        `framing`, the `Framing` as JSON, or `no_framing`, why the model takes no whole recordings.
    """
    recordings = config.data.recordings
    if recordings is None or recordings.window is None:
        return {}
    window, rate_hz = recordings.window, _nominal_rate(config)
    size, hop = _cut(window, rate_hz)
    channels = with_channels(recordings, of_kind(config.features, Signal)).channels
    if problem := next(_problems(config, channels, size), None):
        return {NO_FRAMING_KEY: problem}
    raw = set(raw_feature_names(config.features))
    past = {name: history_names(name) for name in channels if window.history}
    framing = Framing(
        channels=channels,
        size=size,
        hop=hop,
        rate_hz=rate_hz,
        length_s=window.length_s,
        history=window.history,
        past={name: columns for name, columns in past.items() if raw & {*columns}},
    )
    return {FRAMING_KEY: framing.to_json()}


def _nominal_rate(config: Config) -> float | None:
    rates = {signal.sampling_rate_hz for signal in of_kind(config.features, Signal).values()}
    return next(iter(rates)) if len(rates) == 1 else None


def _cut(window: Window, rate_hz: float | None) -> tuple[int, int]:
    """Size and hop in samples; 0 if the length is in s and there is no nominal rate."""
    if window.num_samples is not None:
        return window.num_samples, max(round(window.num_samples * window.hop), 1)
    if rate_hz is None or window.length_s is None:
        return 0, 0
    return Cutting.of_seconds(window.length_s, window.hop, rate_hz)


def _problems(config: Config, channels: tuple[str, ...], size: int) -> Iterator[str]:
    """Yields why the graph cannot cut as the assembly does."""
    raw = raw_feature_names(config.features)
    signals = of_kind(config.features, Signal)
    if size == 0:
        yield (
            "data.recordings.window has length_s, and the features have no common "
            "sampling_rate_hz, so windows differ in their number of samples"
        )
    for name, signal in signals.items():
        if name not in channels:
            yield f"feature `{name}` is a signal and not one of data.recordings.channels"
        elif signal.num_samples != size:
            yield (
                f"feature `{name}` has num_samples {signal.num_samples}, and a window {size} "
                "samples"
            )
    for name in raw:
        if name in _OF_WINDOWS:
            yield f"feature `{name}` differs between the windows of a recording"
        if name == NUM_SAMPLES or (name in channels and name not in signals):
            yield f"feature `{name}` has the name of an input of recordings"
    if not channels:
        yield "data.recordings.channels is not set, and no feature is a signal"
