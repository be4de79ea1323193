"""What can go wrong between Kafka and the API.

An :class:`InvalidMessage` is poison: the message is wrong by itself and goes to the
dead-letter topic with the ``code`` and ``detail`` of the error. The others stop or
pause a loop and lose nothing.
"""

from __future__ import annotations

from dnsorch.exceptions import DnsorchError, Invalid


class InvalidMessage(Invalid):
    """The message is not a request that dnsorch understands."""

    code = "invalid_message"


class EmptyMessage(InvalidMessage):
    """The message has no value (a tombstone, or nothing but white space)."""

    code = "empty_message"


class MessageTooLarge(InvalidMessage):
    """The message is larger than one item of a batch may be."""

    code = "message_too_large"


class NotUTF8(InvalidMessage):
    """The value is not UTF-8."""

    code = "not_utf8"


class InvalidJSON(InvalidMessage):
    """The value is not JSON that can be read in one way only (RFC 8259, RFC 7493)."""

    code = "invalid_json"


class NestingTooDeep(InvalidMessage):
    """The JSON value is nested deeper than the API reads."""

    code = "nesting_too_deep"


class NotAnObject(InvalidMessage):
    """The request is not a JSON object."""

    code = "not_an_object"


class InvalidCloudEvent(InvalidMessage):
    """A context attribute that CloudEvents 1.0 requires is missing or malformed."""

    code = "invalid_cloudevent"


class UnsupportedCloudEvent(InvalidMessage):
    """The event is not CloudEvents 1.0 in the JSON format or in binary mode."""

    code = "unsupported_cloudevent"


class UnknownType(InvalidMessage):
    """The message is neither a change set nor a record request."""

    code = "unknown_type"


class InvalidHeader(InvalidMessage):
    """A message header that dnsorch reads is malformed."""

    code = "invalid_header"


class KafkaBridgeError(DnsorchError):
    """The bridge cannot go on."""

    code = "kafka_bridge_error"


class DeadLetterFailed(KafkaBridgeError):
    """The dead-letter topic does not take a message that has to go there."""

    code = "dead_letter_failed"
    retryable = True


class ConsumerFailed(KafkaBridgeError):
    """The Kafka consumer met an error that only a new process can mend."""

    code = "consumer_failed"
    retryable = True


class DeadLettersUnreadable(KafkaBridgeError):
    """The dead-letter topic cannot be read now."""

    code = "dead_letters_unreadable"
    status = 503
    retryable = True


class NotADeadLetter(InvalidMessage):
    """The message does not say where it came from, so it cannot be put back."""

    code = "not_a_dead_letter"
