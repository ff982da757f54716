"""The other side of arrays.ts: multiprocessing.shared_memory of the standard library, with struct and memoryview, without numpy.

The trap: attaching hands the object to Python's resource tracker, which removes it when this process ends. Whoever made it, and whoever still uses it, is not
asked. Python 3.13 can be told otherwise; before, the tracker can.
"""
import struct
import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

# count, mean, unit; '<' is little-endian and without padding, so that the four bytes before the double are written out.
HEADER = struct.Struct('<I4xd16s')


def attach_as_the_manual_says(name):
    return SharedMemory(name)


def attach(name):
    """Attaches, and leaves the removal to whoever made it."""
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    memory = SharedMemory(name)
    resource_tracker.unregister('/' + memory.name, 'shared_memory')
    return memory


def average(memory):
    count, _, unit = HEADER.unpack_from(memory.buf, 0)
    # A memoryview that is not released by then makes close() a BufferError.
    with memory.buf[HEADER.size:HEADER.size + 8 * count] as part, part.cast('d') as samples:
        mean = sum(samples) / count
        samples[0] = -1.0
    HEADER.pack_into(memory.buf, 0, count, mean, unit)
    print(f'Python: {count} samples in {unit.rstrip(bytes(1)).decode()}, mean {mean}', flush=True)


def make(name):
    """The other way round: Python makes it, and the one who makes it removes it."""
    memory = SharedMemory(name, create=True, size=4096)
    try:
        with memory.buf[:40].cast('d') as samples:
            samples[:] = memoryview(struct.pack('5d', 1, 2, 3, 4, 5)).cast('d')
        print(f'Python: made {memory.size} bytes', flush=True)
        # Python has no atomics: who comes next is told by a pipe.
        sys.stdin.readline()
        print('Python: found', struct.unpack_from('<d', memory.buf, 40)[0], flush=True)
    finally:
        memory.close()
        memory.unlink()


role, name = sys.argv[1:]
if role == 'make':
    make(name)
else:
    memory = attach_as_the_manual_says(name) if role == 'trap' else attach(name)
    average(memory)
    memory.close()
