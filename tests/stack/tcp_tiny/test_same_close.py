"""The tests of stack.tcp that hold for the tiny TCP as they are: all that is closed. `but`: it
needs no memory for a FIN, keeps nothing that is early or refused, delays no ACK. Runs on every
interpreter."""

from tests.profile import same
from tests.stack.tcp import test_api_close as api_close
from tests.stack.tcp import test_input_closing as input_closing
from tests.stack.tcp import test_input_time_wait as input_time_wait


def test_api_of_closing():
    same(
        api_close,
        "test_abort_with_data_in_every_queue test_close_is_polled_until_there_is_memory "
        "test_close_twice test_close_with_data_that_was_not_read "
        "test_close_with_data_that_was_refused test_close_without_memory "
        "test_close_without_memory_rides_on_queued_data "
        "test_shutdown_rx_with_a_fin_behind_what_was_refused",
    )


def test_closing():
    same(
        input_closing,
        "test_fin_wait_1_text test_fin_wait_2_text test_last_ack_ack_of_data_and_fin "
        "test_fin_wait_text_for_an_orphan_with_old_text_in_front",
    )


def test_time_wait():
    same(input_time_wait, "test_time_wait_refused_data_is_not_lost")
