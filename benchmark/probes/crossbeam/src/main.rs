//! Threads of one process hand messages of 64 bytes to others through crossbeam's own `ArrayQueue`: nanoseconds a message,
//! until the last one is received. Reads "threads <messages> <producers>+<consumers>/<slots> 0" a line, as the C probes do.
//!
//! The queue cannot lie in shared memory: this is what its algorithm does at home, beside `ring-many.c`. Every message is
//! checked: its words, that those of one producer come in order, and in the end that each came once.

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::Backoff;
use std::io::{self, BufRead};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

const WORDS: usize = 16;

/// Its producer, then its place in the sequence, from which the other words count on.
type Message = [u32; WORDS];

/// The producer of the messages that say there are no more.
const END: u32 = u32::MAX;

struct Case {
    messages: u32,
    producers: u32,
    consumers: u32,
    slots: usize,
}

fn main() {
    for line in io::stdin().lock().lines() {
        let line = line.expect("the input can be read");
        let case = parse(&line).unwrap_or_else(|| panic!("not a case: {line}"));
        println!("{:.3}", run(&case));
    }
}

fn parse(line: &str) -> Option<Case> {
    let mut words = line.split_whitespace();
    let ("threads", messages, subject) = (words.next()?, words.next()?, words.next()?) else { return None };
    let (ends, slots) = subject.split_once('/')?;
    let (producers, consumers) = ends.split_once('+')?;
    Some(Case {
        messages: messages.parse().ok()?,
        producers: producers.parse().ok()?,
        consumers: consumers.parse().ok()?,
        slots: slots.parse().ok()?,
    })
}

fn run(case: &Case) -> f64 {
    let queue = ArrayQueue::new(case.slots);
    let start = Barrier::new((case.producers + case.consumers) as usize + 1);
    let producers_left = AtomicUsize::new(case.producers as usize);
    let (queue, start, producers_left) = (&queue, &start, &producers_left);
    thread::scope(|scope| {
        for producer in 0..case.producers {
            scope.spawn(move || {
                start.wait();
                produce(queue, producer, share_of(case, producer));
                // The last one sends the end to every consumer.
                if producers_left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    (0..case.consumers).for_each(|_| send(queue, [END; WORDS]));
                }
            });
        }
        let consume = move || {
            start.wait();
            consume(queue, case.producers)
        };
        let consumers: Vec<_> = (0..case.consumers).map(|_| scope.spawn(consume)).collect();
        start.wait();
        let started = Instant::now();
        let arrived: Vec<Arrived> =
            consumers.into_iter().map(|consumer| consumer.join().expect("no check failed")).collect();
        let took_ns = started.elapsed().as_secs_f64() * 1e9;
        for producer in 0..case.producers {
            let of_producer = |of: fn(&Arrival) -> u64| {
                arrived.iter().map(|ends| of(&ends[producer as usize])).sum::<u64>()
            };
            let sent = u64::from(share_of(case, producer));
            assert_eq!(of_producer(|arrival| arrival.count), sent, "a message was lost or came twice");
            assert_eq!(
                of_producer(|arrival| arrival.sequence_sum),
                sent * (sent - 1) / 2,
                "other messages came"
            );
        }
        took_ns / f64::from(case.messages)
    })
}

fn share_of(case: &Case, producer: u32) -> u32 {
    case.messages / case.producers + u32::from(producer < case.messages % case.producers)
}

fn produce(queue: &ArrayQueue<Message>, producer: u32, count: u32) {
    for sequence in 0..count {
        let mut message = [producer; WORDS];
        for (value, word) in message[1..].iter_mut().zip(sequence..) {
            *value = word;
        }
        send(queue, message);
    }
}

fn send(queue: &ArrayQueue<Message>, mut message: Message) {
    let backoff = Backoff::new();
    while let Err(unsent) = queue.push(message) {
        message = unsent;
        backoff.snooze();
    }
}

/// What one consumer saw of one producer.
#[derive(Clone, Default)]
struct Arrival {
    count: u64,
    sequence_sum: u64,
    next: u32,
}

type Arrived = Vec<Arrival>;

fn consume(queue: &ArrayQueue<Message>, producers: u32) -> Arrived {
    let mut arrived = vec![Arrival::default(); producers as usize];
    let backoff = Backoff::new();
    loop {
        let Some(message) = queue.pop() else {
            backoff.snooze();
            continue;
        };
        backoff.reset();
        if message[0] == END {
            return arrived;
        }
        let sequence = message[1];
        let arrival = arrived.get_mut(message[0] as usize).expect("the message has a producer");
        assert!(sequence >= arrival.next, "a message came out of order");
        let sum: u32 = message[1..].iter().map(|word| word - sequence).sum();
        assert_eq!(sum, (WORDS as u32 - 1) * (WORDS as u32 - 2) / 2, "a message has other words");
        arrival.next = sequence + 1;
        arrival.sequence_sum += u64::from(sequence);
        arrival.count += 1;
    }
}
