"""The other side of squares.ts: POSIX shared memory and named semaphores by posix_ipc (PyPI)."""
import mmap
import struct
import sys

import posix_ipc

memory_name, mine, yours = sys.argv[1:]

memory = posix_ipc.SharedMemory(memory_name)
shared = mmap.mmap(memory.fd, memory.size)
memory.close_fd()
# Whoever comes first makes a semaphore; Node removes both. posix_ipc has no resource tracker.
my_turn = posix_ipc.Semaphore(mine, posix_ipc.O_CREAT, mode=0o600, initial_value=0)
your_turn = posix_ipc.Semaphore(yours, posix_ipc.O_CREAT, mode=0o600, initial_value=0)

answered = 0
while True:
    my_turn.acquire(10)  # Seconds, then it is a BusyError: a semaphore does not tell that the other side was killed.
    number, = struct.unpack_from('<I', shared, 0)
    if number == 0:
        break
    struct.pack_into('<Q', shared, 8, number * number)
    answered += 1
    your_turn.release()

print(f'Python: answered {answered} times', flush=True)
my_turn.close()
your_turn.close()
shared.close()
