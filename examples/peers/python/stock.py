"""The other side of stock.ts: System V shared memory and semaphores by sysv_ipc (PyPI), which knows sets of one semaphore only.

`count` makes a semaphore of its own and takes things with it; `die` is killed with Node's semaphore in hand.
"""
import struct
import sys

import sysv_ipc

role, *numbers = sys.argv[1:]
memory_id, lock_key, done_key = map(int, numbers)
memory = sysv_ipc.attach(memory_id)
lock = sysv_ipc.Semaphore(lock_key)
# With undo, the kernel gives back what this process held, however it ends.
lock.undo = True


def change(by):
    amount, = struct.unpack('<i', memory.read(4))
    memory.write(struct.pack('<i', amount + by))


if role == 'die':
    lock.acquire()
    print('Python: has the semaphore', flush=True)
    sys.stdin.read()
else:
    done = sysv_ipc.Semaphore(done_key, sysv_ipc.IPC_CREX, mode=0o600, initial_value=0)
    print('Python: made a semaphore', flush=True)
    for _ in range(100):
        with lock:
            change(-1)
    done.release()
    memory.detach()
