//! Role: a bounded queue of tickets under a mutex, with a condition for "not empty" and one for "not full". Even positions make tickets, odd
//! ones take them. In a quiet round position 0 raises a flag three times, and the others wait for each.

use crate::book::{Count, TICKETS, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Kind, Operation, Place};
use shmem_core::sync::wait::Answer;
use std::time::Duration;

struct Queue<'a> {
    room: &'a Room,
    mutex: Place<'a>,
    not_empty: Place<'a>,
    not_full: Place<'a>,
}

pub(crate) fn play(room: &Room) -> Result<()> {
    let queue = Queue::open(room)?;
    room.begin();
    match (room.options.quiet, room.options.position) {
        (true, 0) => queue.raise_flags(),
        (true, _) => queue.await_flags(),
        (false, position) => {
            while room.goes_on() {
                if position.is_multiple_of(2) {
                    queue.make()?
                } else {
                    queue.take()?
                };
                room.linger();
            }
            Ok(())
        }
    }
}

impl<'a> Queue<'a> {
    fn open(room: &'a Room) -> Result<Self> {
        Ok(Self {
            room,
            mutex: room.place("queue", Kind::Mutex, 0)?,
            not_empty: room.place("not empty", Kind::Condition, 0)?,
            not_full: room.place("not full", Kind::Condition, 0)?,
        })
    }

    /// Whoever inherits the lock of one who died tells everybody: the dead one may have changed the queue and told nobody. The queue is whole
    /// between any two stores.
    fn lock(&self) -> Result<()> {
        let room = self.room;
        if room.wait_until(&self.mutex, Operation::Lock(room.lock_wish()), None)? == Some(Answer::OwnerDied) {
            self.tell_all()?;
        }
        let holder = room.book.guarded(0).holder;
        if room.is_alive(holder.swap(room.token().word())) {
            room.row.violation(Violation::TwoHolders);
        }
        let (head, tail) = (room.book.head().load(), room.book.tail().load());
        if tail.wrapping_sub(head) > TICKETS {
            room.row.violation(Violation::TicketLost);
        }
        Ok(())
    }

    fn unlock(&self) -> Result<()> {
        if self.room.book.guarded(0).holder.compare_exchange(self.room.token().word(), 0).is_err() {
            self.room.row.violation(Violation::MarkLost);
        }
        self.mutex.unlock(self.room.table(), self.room.token(), true)
    }

    fn tell_all(&self) -> Result<()> {
        self.not_empty.notify(self.room.table(), u32::MAX)?;
        self.not_full.notify(self.room.table(), u32::MAX)
    }

    /// Gives the lock back, waits to be told, and has the lock again. Answers whether it was told.
    fn wait(&self, condition: &Place<'_>) -> Result<bool> {
        let from = condition.begin_notified(self.room.table())?;
        self.unlock()?;
        let told = self.room.wait(condition, Operation::Notified(from))?;
        self.lock()?;
        Ok(told.is_some())
    }

    fn make(&self) -> Result<()> {
        let book = &self.room.book;
        self.lock()?;
        while book.tail().load().wrapping_sub(book.head().load()) == TICKETS && !self.room.is_stopped() {
            self.wait(&self.not_full)?;
        }
        let number = book.tail().load();
        if number.wrapping_sub(book.head().load()) < TICKETS {
            book.ticket(number).store(number);
            book.tail().fetch_add(1);
            self.room.row.count(Count::Given);
            self.not_empty.notify(self.room.table(), self.how_many())?;
        }
        self.unlock()
    }

    fn take(&self) -> Result<()> {
        let book = &self.room.book;
        self.lock()?;
        while book.tail().load() == book.head().load() && !self.room.is_stopped() {
            self.wait(&self.not_empty)?;
        }
        let number = book.head().load();
        if number != book.tail().load() {
            if book.ticket(number).load() != number {
                self.room.row.violation(Violation::TicketLost);
            }
            book.head().fetch_add(1);
            self.room.row.count(Count::Taken);
            self.not_full.notify(self.room.table(), self.how_many())?;
        }
        self.unlock()
    }

    /// To tell one is lost when that one is killed before it took anything; those who tell all make up for it.
    fn how_many(&self) -> u32 {
        if self.room.random.one_in(2) { 1 } else { u32::MAX }
    }

    fn raise_flags(&self) -> Result<()> {
        for flag in 1..=3 {
            std::thread::sleep(Duration::from_micros(self.room.random.below(800)));
            self.lock()?;
            self.room.book.tail().store(flag);
            self.not_empty.notify(self.room.table(), u32::MAX)?;
            self.unlock()?;
        }
        Ok(())
    }

    fn await_flags(&self) -> Result<()> {
        for flag in 1..=3 {
            self.lock()?;
            while self.room.book.tail().load() < flag {
                self.wait(&self.not_empty)?;
            }
            self.unlock()?;
            self.room.linger();
        }
        Ok(())
    }
}

/// The one notification that must reach all, once the storm is over.
pub(crate) fn close(room: &Room) -> Result<()> {
    let queue = Queue::open(room)?;
    queue.lock()?;
    queue.tell_all()?;
    queue.unlock()
}

/// Afterwards: the queue is what its counts say, to the last ticket.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let queue = Queue::open(room)?;
    while room.book.tail().load() != room.book.head().load() {
        queue.take()?;
    }
    queue.make()?;
    queue.take()
}
