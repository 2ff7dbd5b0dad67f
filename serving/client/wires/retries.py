"""Retries of calls to an unavailable server, until the deadline."""

from typing import Any

from tenacity import (
    AsyncRetrying,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    wait_random_exponential,
)

from serving.client.errors import ServingClientError

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0


def _is_unavailable(error: BaseException) -> bool:
    return isinstance(error, ServingClientError) and error.code == "UNAVAILABLE"


def _policy(max_attempts: int, timeout_s: float) -> dict[str, Any]:
    """Returns the policy: at most `max_attempts`, none after the deadline, after random waits.

    References:
        Full jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    return {
        "retry": retry_if_exception(_is_unavailable),
        "wait": wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        "stop": stop_any(stop_after_attempt(max_attempts), stop_before_delay(timeout_s)),
        "reraise": True,
    }


def retrying(max_attempts: int, timeout_s: float) -> Retrying:
    """Returns a retrier of functions that fail with UNAVAILABLE."""
    return Retrying(**_policy(max_attempts, timeout_s))


def async_retrying(max_attempts: int, timeout_s: float) -> AsyncRetrying:
    """Returns a retrier of coroutine functions that fail with UNAVAILABLE."""
    return AsyncRetrying(**_policy(max_attempts, timeout_s))
