"""A megabyte each way allocates nothing, wherever the sequence numbers are."""

from .test_transfer import transfer

MB = {"total": 1 << 20}


def test_1_mb_each_way_across_2_32():
    transfer(MB, MB, 0)


def test_1_mb_each_way_across_2_30():
    transfer(MB, MB, 1)


def test_1_mb_each_way_across_2_31():
    transfer(MB, MB, 2)
