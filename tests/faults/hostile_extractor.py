"""An extractor of text for tests, in a module of its own that children import quickly: the page says what happens."""

import os
import signal
import time


def hostile(data, declared=None):
    """The page in capitals, if nothing else happens."""
    if data.startswith(b"late:"):  # as if all of its time but a moment had passed; not if nobody takes the time
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0.001)
        data = data[5:] if left > 0 else b"without a timer"
    if data == b"loop":
        while True:
            pass
    if data == b"sleep":
        time.sleep(3600)
    if data == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if data == b"exit":
        os._exit(3)
    if data == b"stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if data == b"raise":
        raise RuntimeError("cannot")
    if data == b"print":
        print("noise")
    if data == b"memory":
        return str(len(bytearray(8 << 30)))
    if data.startswith(b"once:"):  # dies the first time only
        path = data[5:].decode()
        if not os.path.exists(path):
            open(path, "w").close()
            os._exit(1)
    while data.startswith(b"wait:") and not os.path.exists(data[5:]):
        time.sleep(0.001)
    if data.startswith(b"count:"):
        with open(data[6:], "ab") as file:
            file.write(b".")
    if data == b"pid":
        return str(os.getpid())
    return data.decode().upper()
