from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest

from qrobust.certify.run.parallel import ordered_map


def test_order_and_window():
    taken = []

    def items():
        for i in range(20):
            taken.append(i)
            yield i

    with ThreadPoolExecutor(3) as pool:
        results = ordered_map(pool, lambda i: i * i, items(), window=4)
        assert next(results) == 0
        assert len(taken) == 4
        assert list(results) == [i * i for i in range(1, 20)]


def test_endless_items():
    with ThreadPoolExecutor(2) as pool:
        results = ordered_map(pool, str, count(), window=3)
        assert list(islice(results, 5)) == ["0", "1", "2", "3", "4"]
        results.close()


def test_errors_come_in_their_turn():
    with ThreadPoolExecutor(2) as pool:
        results = ordered_map(pool, lambda i: 1 // i, [1, 0, 2], window=3)
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)
