"""Python's multiprocessing.shared_memory, in the frame of probe.h: reads "<case> <iterations> <subject> <size_bytes>" a line
and answers nanoseconds an operation.

* "create": creates an object of that name, writes nothing, unlinks and closes it;
* "open": opens the object, looks at its last byte, which must be 0x6b, and closes it;
* "write", "read": copies all bytes into the object of that name, or out of it, and looks at what arrived.
"""
import sys
import time
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

FILL = 0x6B
# Before 3.13 whoever opens is tracked like an owner: Python would remove our object at its end.
OPENS_UNTRACKED = {"track": False} if sys.version_info >= (3, 13) else {}


def opened(name):
    memory = SharedMemory(name, **OPENS_UNTRACKED)
    if not OPENS_UNTRACKED:
        resource_tracker.unregister(memory._name, "shared_memory")
    return memory


def create(iterations, name, size):
    for _ in range(iterations):
        memory = SharedMemory(name, create=True, size=size)
        memory.unlink()
        memory.close()


def check_create(name, size):
    memory = SharedMemory(name, create=True, size=size)
    memory.buf[size - 1] = FILL
    is_right = memory.size >= size and memory.buf[size - 1] == FILL
    memory.unlink()
    memory.close()
    if not is_right:
        raise SystemExit("probe: a fresh object does not hold its bytes")


def look(iterations, name, size):
    for _ in range(iterations):
        memory = opened(name)
        byte = memory.buf[size - 1]
        memory.close()
        if byte != FILL:
            raise SystemExit("probe: the object shows other bytes")


def copy(case, iterations, name, size):
    memory = opened(name)
    shared = memory.buf[:size]
    private = bytearray(size)
    source, target = (private, shared) if case == "write" else (shared, private)
    source[:] = bytes([0x21]) * size
    target[:] = bytes(size)
    started = time.perf_counter_ns()
    for _ in range(iterations):
        target[:] = source
    took = time.perf_counter_ns() - started
    is_right = target == source
    shared.release()
    del source, target, shared
    memory.close()
    if not is_right:
        raise SystemExit("probe: other bytes arrived")
    return took


def measure(case, iterations, name, size):
    if case in ("write", "read"):
        return copy(case, iterations, name, size) / iterations
    if case == "create":
        check_create(name, size)
    act = {"create": create, "open": look}[case]
    started = time.perf_counter_ns()
    act(iterations, name, size)
    return (time.perf_counter_ns() - started) / iterations


for line in sys.stdin:
    case, iterations, name, size = line.split()
    print(f"{measure(case, int(iterations), name, int(size)):.3f}", flush=True)
