//! The frame of the probes in Rust of two processes that hand messages to each other: what `probe.h` and `pair.h` are for those in C.
//!
//! Reads "<case> <messages> <slots> <message bytes>" a line and answers nanoseconds. "<slots>/<batch>": so many messages are published together.
//!
//! * "words": every 32-bit word of a message is written and read, summed and compared with its place in the sequence;
//! * "ends": only the first and the last word, as when the bytes are already where they belong;
//! * "ping-pong": one message goes to and fro between two processes that spin; half of a round, with its ends.
//!
//! The partner is the same program again, with its place and the case as arguments.

use std::error::Error;
use std::hint::spin_loop;
use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::process::{self, Command, Stdio};
use std::time::Instant;
use std::{env, thread};

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A message before and after the others: what is sent before the other is there may be lost, and ends that close may take
/// their messages along.
const MARK: u32 = u32::MAX;

/// A way for messages between two processes.
pub trait Transport {
    /// The ends of one process. What they send and expect is the message with that place in the sequence; they wait by spinning.
    type Ends<'a>: Ends;

    /// Opens the ends of one side at a place that is this program's own; the one that `leads` is there first.
    fn with_ends<T>(
        place: &str,
        leads: bool,
        case: &Case,
        act: impl FnOnce(&mut Self::Ends<'_>) -> Outcome<T>,
    ) -> Outcome<T>;

    /// Takes away what is left at the place after a case.
    fn remove(place: &str) -> Outcome;
}

pub trait Ends {
    fn send_words(&mut self, sequence: u32) -> Outcome;
    fn expect_words(&mut self, sequence: u32) -> Outcome;
    fn send_ends(&mut self, sequence: u32) -> Outcome;
    fn expect_ends(&mut self, sequence: u32) -> Outcome;

    /// Sends all of them, to one who does nothing but receive.
    fn send_all(&mut self, kind: Kind, mut sequences: Range<u32>, _batch: u32) -> Outcome {
        sequences.try_for_each(|sequence| match kind {
            Kind::Words => self.send_words(sequence),
            _ => self.send_ends(sequence),
        })
    }

    /// Expects all of them, from one who does nothing but send.
    fn expect_all(&mut self, kind: Kind, mut sequences: Range<u32>) -> Outcome {
        sequences.try_for_each(|sequence| match kind {
            Kind::Words => self.expect_words(sequence),
            _ => self.expect_ends(sequence),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Words,
    Ends,
    PingPong,
}

/// What both processes know.
#[derive(Debug, Clone)]
pub struct Case {
    kind: Kind,
    messages: u32,
    pub slots: u32,
    batch: u32,
    pub words: u32,
}

impl Case {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split_whitespace();
        let kind = match parts.next()? {
            "words" => Kind::Words,
            "ends" => Kind::Ends,
            "ping-pong" => Kind::PingPong,
            _ => return None,
        };
        let messages = parts.next()?.parse().ok().filter(|&messages| messages > 0)?;
        let subject = parts.next()?;
        let (slots, batch) = subject.split_once('/').unwrap_or((subject, "1"));
        let slots = slots.parse().ok().filter(|&slots| slots > 0)?;
        let batch = batch.parse().ok().filter(|&batch| batch > 0)?;
        let bytes: u32 = parts.next()?.parse().ok().filter(|bytes| bytes % 4 == 0 && *bytes >= 8)?;
        Some(Self { kind, messages, slots, batch, words: bytes / 4 })
    }

    /// They start the other process up and are not counted.
    fn warm_up(&self) -> u32 {
        self.messages / 10 + 1
    }

    fn total(&self) -> u32 {
        self.warm_up() + self.messages
    }
}

/// What `main` does. The places that it makes up begin with the name.
pub fn run<T: Transport>(name: &str) -> Outcome {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [place, line] = words.as_slice() {
        return act_as_partner::<T>(place, &Case::parse(line).ok_or("not a case")?);
    }
    for (number, line) in io::stdin().lock().lines().enumerate() {
        let line = line?;
        let case = Case::parse(&line).ok_or_else(|| format!("not a case: {line}"))?;
        let place = format!("{name}-{}-{number}_", process::id());
        let measured = measure::<T>(&place, &line, &case);
        T::remove(&place)?;
        println!("{:.3}", measured?);
    }
    Ok(())
}

/// Nanoseconds a message, at the end that receives; in a ping-pong one way.
fn measure<T: Transport>(place: &str, line: &str, case: &Case) -> Outcome<f64> {
    T::with_ends(place, true, case, |ends| {
        let mut partner =
            Command::new(env::current_exe()?).args([place, line]).stdin(Stdio::piped()).spawn()?;
        // It ends with its input, and would spin for us for ever otherwise.
        let input = partner.stdin.take();
        let outcome = receive_all(case, ends);
        if outcome.is_err() {
            drop(input);
            partner.wait()?;
            return outcome;
        }
        if partner.wait()?.success() { outcome } else { Err("the second process failed".into()) }
    })
}

fn receive_all(case: &Case, ends: &mut impl Ends) -> Outcome<f64> {
    ends.expect_ends(MARK)?;
    ends.send_ends(MARK)?;
    let mut started = Instant::now();
    for part in [0..case.warm_up(), case.warm_up()..case.total()] {
        started = Instant::now();
        match case.kind {
            Kind::PingPong => part.into_iter().try_for_each(|sequence| {
                ends.send_ends(sequence)?;
                ends.expect_ends(sequence)
            })?,
            kind => ends.expect_all(kind, part)?,
        }
    }
    let took_ns = started.elapsed().as_secs_f64() * 1e9;
    ends.send_ends(MARK)?;
    let ways = if case.kind == Kind::PingPong { 2.0 } else { 1.0 };
    Ok(took_ns / f64::from(case.messages) / ways)
}

fn act_as_partner<T: Transport>(place: &str, case: &Case) -> Outcome {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(1);
    });
    T::with_ends(place, false, case, |ends| {
        ends.send_ends(MARK)?;
        ends.expect_ends(MARK)?;
        match case.kind {
            Kind::PingPong => (0..case.total()).try_for_each(|sequence| {
                ends.expect_ends(sequence)?;
                ends.send_ends(sequence)
            })?,
            kind => ends.send_all(kind, 0..case.total(), case.batch)?,
        }
        ends.expect_ends(MARK)
    })
}

/// What comes of looking again and again. Now and then, after some 100 µs, the processor goes to whoever waits for one, as in the
/// C probes: it may be the other end.
pub fn look_until<T>(mut look: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    for looks in 1u32.. {
        if let Some(found) = look()? {
            return Ok(found);
        }
        spin_loop();
        if looks % 4096 == 0 {
            thread::yield_now();
        }
    }
    Err("nothing came".into())
}

/// Whether these are the words of the message, by their sum.
pub fn check_words(words: &[u32], sequence: u32) -> Outcome {
    let sum = words.iter().fold(0u32, |sum, word| sum.wrapping_add(*word));
    let count = words.len() as u64;
    let expected = (count * u64::from(sequence) + count * (count - 1) / 2) as u32;
    if sum == expected { Ok(()) } else { Err(format!("message {sequence} has other words").into()) }
}

/// Whether these are the first word of the message and its last one.
pub fn check_ends(first: u32, last: u32, words: u32, sequence: u32) -> Outcome {
    let expected = (sequence, last_word(sequence, words));
    if (first, last) == expected { Ok(()) } else { Err(format!("message {sequence} has other ends").into()) }
}

pub fn last_word(sequence: u32, words: u32) -> u32 {
    sequence.wrapping_add(words - 1)
}
