"""The tests of stack.tcp that hold for the tiny TCP as they are: open connections. `but`: it
delays no ACK, keeps nothing that is early or refused, queues no second segment. Runs on every
interpreter."""

from tests.profile import same
from tests.stack.tcp import test_api_callbacks as api_callbacks
from tests.stack.tcp import test_input_established as input_established
from tests.stack.tcp import test_input_every_state as input_every_state


def test_every_state():
    same(input_every_state)


def test_established():
    same(
        input_established,
        "test_established_ack test_established_ack_keeps_the_window_of_a_newer_segment "
        "test_established_ack_takes_a_newer_window test_established_fin_before_its_text "
        "test_established_text test_established_text_crosses_the_wrap "
        "test_established_text_of_an_old_segment test_established_text_twice_a_segment",
    )


def test_callbacks():
    same(
        api_callbacks,
        "test_refused_data_comes_before_the_fin "
        "test_refused_data_is_acknowledged_and_takes_window "
        "test_refused_data_is_freed_with_the_connection test_refused_data_is_offered_again "
        "test_what_callbacks_queue_is_sent_when_they_have_returned",
    )
