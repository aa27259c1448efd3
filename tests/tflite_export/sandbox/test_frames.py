import socket
import struct
import threading

import pytest

from tflite_export.sandbox.frames import ClosedError, TooLongError, receive, send


@pytest.fixture
def pair():
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("size", [0, 1, 5, 300_000])
def test_round_trip(pair, size):
    content = bytes(range(256)) * (size // 256 + 1)
    thread = threading.Thread(target=send, args=(pair[0], content[:size]))
    thread.start()
    assert bytes(receive(pair[1], 10)) == content[:size]
    thread.join()


def test_a_closed_end(pair):
    pair[0].close()
    with pytest.raises(ClosedError):
        receive(pair[1])
    with pytest.raises(ClosedError):
        send(pair[1], bytes(10))


def test_too_long(pair):
    pair[0].sendall(struct.pack("<Q", 1 << 60))
    with pytest.raises(TooLongError):
        receive(pair[1], 10, longest=100)


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("sent", [b"", b"12", struct.pack("<Q", 3) + b"12"])
def test_half_a_message_ends_after_its_time(pair, sent):
    pair[0].sendall(sent)
    with pytest.raises(TimeoutError):
        receive(pair[1], 0.05)
