"""How reaching a provider can end, step by step; what a test of a provider says. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Ending(StrEnum):
    """Where reaching a provider ended. Codes are a contract: append-only."""

    OK = "ok"
    KEY_UNREADABLE = "key_unreadable"
    ADDRESS_REFUSED = "address_refused"
    NAME_UNKNOWN = "name_unknown"
    NO_CONNECTION = "no_connection"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    REDIRECT = "redirect"
    KEY_REFUSED = "key_refused"
    NO_CREDIT = "no_credit"
    FORBIDDEN = "forbidden"
    PATH_UNKNOWN = "path_unknown"
    MODEL_UNKNOWN = "model_unknown"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    ANSWER_TIMEOUT = "answer_timeout"
    ANSWER_CUT = "answer_cut"
    ANSWER_STRANGE = "answer_strange"
    ANSWER_TOO_LARGE = "answer_too_large"
    REQUEST_REFUSED = "request_refused"
    ADAPTER_FAILED = "adapter_failed"


class Step(StrEnum):
    """What was tried."""

    PREPARE = "prepare"
    LIST = "list"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """How one step went.

    Attributes:
        step: What was tried.
        ending: How it ended.
        http_status: What the server answered, if it did.
        took_ms: Milliseconds it took.
    """

    step: Step
    ending: Ending
    http_status: int | None = None
    took_ms: int = 0


_BY_STATUS = {
    401: Ending.KEY_REFUSED,
    402: Ending.NO_CREDIT,
    403: Ending.FORBIDDEN,
    404: Ending.PATH_UNKNOWN,
    405: Ending.PATH_UNKNOWN,
    408: Ending.ANSWER_TIMEOUT,
    429: Ending.RATE_LIMITED,
    504: Ending.ANSWER_TIMEOUT,
}


def ending_of_status(status: int) -> Ending:
    """Return how an HTTP answer with this status ended the attempt."""
    if status < 300:
        return Ending.OK
    if status < 400:
        return Ending.REDIRECT
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    return Ending.SERVER_ERROR if status >= 500 else Ending.REQUEST_REFUSED


def overall(reports: tuple[StepReport, ...]) -> StepReport:
    """Return the step that decides: the first that failed, or the last.

    Not every provider lists its models: one that answers a question works. And a server that
    lists its models knows its path: a question that it does not find names an unknown model.
    """
    listing = next((each for each in reports if each.step is Step.LIST), None)
    asking = next((each for each in reports if each.step is Step.ASK), None)
    if asking is None or listing is None:
        return next((each for each in reports if each.ending is not Ending.OK), reports[-1])
    if asking.ending is Ending.PATH_UNKNOWN and listing.ending is Ending.OK:
        return replace(asking, ending=Ending.MODEL_UNKNOWN)
    if asking.ending is Ending.OK and listing.ending in _NO_LIST:
        return asking
    return listing if listing.ending not in {Ending.OK, *_NO_LIST} else asking


_NO_LIST = frozenset({Ending.PATH_UNKNOWN, Ending.ANSWER_STRANGE})


def is_worth_asking(listing: StepReport) -> bool:
    """Say whether a question may still succeed after the list of models ended like this."""
    return listing.ending in {Ending.OK, *_NO_LIST}
