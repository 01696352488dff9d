"""The tests of stack.tcp that hold for the tiny TCP as they are: opening. `but`: it queues no
second segment, keeps no early one. Runs on every interpreter."""

from tests.profile import same
from tests.stack.tcp import test_api_open as api_open
from tests.stack.tcp import test_icmp_errors as icmp_errors
from tests.stack.tcp import test_input_closed_listen as input_closed_listen
from tests.stack.tcp import test_input_syn_rcvd as input_syn_rcvd
from tests.stack.tcp import test_input_syn_sent as input_syn_sent


def test_api_of_opening():
    same(api_open, "test_connect_without_memory test_connect_to_a_station_that_comes_up_late")


def test_closed_and_listen():
    same(input_closed_listen, "test_listen_no_segment_or_pbuf")


def test_syn_sent():
    same(
        input_syn_sent,
        "test_syn_sent_syn_ack_after_a_lost_syn test_syn_sent_syn_with_data_and_fin_queued",
    )


def test_syn_rcvd():
    same(
        input_syn_rcvd,
        "test_syn_rcvd_after_a_lost_syn_ack test_syn_rcvd_data_when_the_ack_was_lost "
        "test_syn_rcvd_round_trip_time "
        "test_syn_rcvd_syn_again_does_not_spoil_the_round_trip_time",
    )


def test_errors_from_the_network():
    same(icmp_errors)
