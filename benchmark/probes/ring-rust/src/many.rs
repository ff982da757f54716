//! Processes hand messages of 64 bytes to others through one of our own rings, as in `ring-many.c`: nanoseconds a message, until the
//! last one is received. Reads "many <messages> <producers>+<consumers>/<slots> 0" a line.
//!
//! Every message is checked: its words, that those of one producer come in order, and in the end that each came once.

use super::pair::Outcome;
use super::{open, words, words_mut};
use shmem_core::managed::geometry::ring::{MANY_CONSUMERS, MANY_PRODUCERS, RingGeometry};
use shmem_core::memory::posix;
use shmem_core::structures::ring::{Consumer, Producer, Ring};
use std::hint::spin_loop;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{self, Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, thread};

const WORDS: u32 = 16;
/// The producer of the messages that say there are no more.
const END: u32 = u32::MAX;
/// Until all are there, who were told to begin.
const HEAD_START: Duration = Duration::from_millis(5);
/// Longer than the others are ever away.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers each line of the input.
pub fn run() -> Outcome {
    for (number, line) in io::stdin().lock().lines().enumerate() {
        let place = format!("shmem-bench-rust-{}-{number}_", process::id());
        let measured = measure(&place, &line?);
        posix::remove(&format!("/{place}"))?;
        println!("{:.3}", measured?);
    }
    Ok(())
}

/// A partner's `main`: its place, the ring's slots, what it does, and two numbers.
pub fn act(words: &[String]) -> Outcome {
    let [place, slots, role, first, second] = words else { return Err("not a partner's arguments".into()) };
    let (first, second) = (first.parse()?, second.parse()?);
    with_ring(place, slots.parse()?, |ring| match role.as_str() {
        "produce" => {
            let mut out = ring.producer()?;
            await_start()?;
            for sequence in 0..second {
                send(&mut out, first, sequence)?;
            }
            Ok(())
        }
        _ => {
            let input = ring.consumer()?;
            consume(input, await_start()?, first)
        }
    })
}

fn with_ring<T>(place: &str, slots: u32, act: impl FnOnce(&Ring<'_>) -> Outcome<T>) -> Outcome<T> {
    let geometry = RingGeometry::of([slots, WORDS * 4, MANY_PRODUCERS | MANY_CONSUMERS, 0])?;
    open(place, slots, WORDS * 4, |managed, member| act(&Ring::open(managed, member, "many", geometry)?))
}

/// Another process, and what it says.
struct Partner {
    child: Child,
    /// It ends with its input.
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Partner {
    fn start(words: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut child =
            command.arg("many-partner").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("a partner without output")?);
        let input = child.stdin.take().ok_or("a partner without input")?;
        Ok(Self { child, input, output })
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() { Err("a partner failed".into()) } else { Ok(line) }
    }

    fn tell(&mut self, word: u64) -> Outcome {
        Ok(writeln!(self.input, "{word}")?)
    }

    fn end(&mut self) -> Outcome {
        if self.child.wait()?.success() { Ok(()) } else { Err("a partner failed".into()) }
    }
}

fn measure(place: &str, line: &str) -> Outcome<f64> {
    let (messages, producers, consumers, slots) = parse(line).ok_or_else(|| format!("not a case: {line}"))?;
    with_ring(place, slots, |ring| {
        let shares: Vec<u32> =
            (0..producers).map(|at| messages / producers + u32::from(at < messages % producers)).collect();
        let start = |role: &str, first: u32, second: u32| {
            Partner::start(&[place, &slots.to_string(), role, &first.to_string(), &second.to_string()])
        };
        let senders = shares.iter().zip(0..).map(|(share, at)| start("produce", at, *share));
        let mut senders: Vec<Partner> = senders.collect::<Outcome<_>>()?;
        let mut receivers: Vec<Partner> =
            (0..consumers).map(|_| start("consume", producers, 0)).collect::<Outcome<_>>()?;
        for partner in senders.iter_mut().chain(&mut receivers) {
            partner.line()?;
        }
        let start_ns = now_ns()? + HEAD_START.as_nanos() as u64;
        for partner in senders.iter_mut().chain(&mut receivers) {
            partner.tell(start_ns)?;
        }
        senders.iter_mut().try_for_each(Partner::end)?;
        // A consumer ends with the first mark that it gets. When it comes is not counted.
        let mut out = ring.producer()?;
        for _ in 0..consumers {
            send(&mut out, END, 0)?;
        }
        let mut took_ns = 0;
        let mut sums = vec![(0, 0); producers as usize];
        for receiver in &mut receivers {
            let line = receiver.line()?;
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let mut next = || -> Outcome<u64> { Ok(numbers.next().ok_or("a number is missing")??) };
            took_ns = took_ns.max(next()?);
            for (count, sequences) in &mut sums {
                *count += next()?;
                *sequences += next()?;
            }
            receiver.end()?;
        }
        for (share, (count, sequences)) in shares.iter().map(|share| u64::from(*share)).zip(sums) {
            if count != share || sequences != share * share.saturating_sub(1) / 2 {
                return Err(format!("{count} of {share} messages came, or one of them twice").into());
            }
        }
        Ok(took_ns as f64 / f64::from(messages))
    })
}

fn parse(line: &str) -> Option<(u32, u32, u32, u32)> {
    let mut words = line.split_whitespace();
    let ("many", messages, subject) = (words.next()?, words.next()?, words.next()?) else { return None };
    let (ends, slots) = subject.split_once('/')?;
    let (producers, consumers) = ends.split_once('+')?;
    Some((messages.parse().ok()?, producers.parse().ok()?, consumers.parse().ok()?, slots.parse().ok()?))
}

/// Of the clock that all processes share.
fn now_ns() -> Outcome<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64)
}

/// Says that this partner is there, and returns at the common start, with it. From here on it ends with its input.
fn await_start() -> Outcome<u64> {
    println!("ready");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let start_ns = line.trim().parse()?;
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(1);
    });
    while now_ns()? < start_ns {
        spin_loop();
    }
    Ok(start_ns)
}

/// As in `ring-many.c`: spins first, longer each time, and then lets others have the processor; not for ever.
#[derive(Default)]
struct Backoff {
    step: u32,
    since: Option<Instant>,
}

impl Backoff {
    fn snooze(&mut self) -> Outcome {
        if self.step <= 6 {
            (0..1 << self.step).for_each(|_| spin_loop());
            self.step += 1;
            return Ok(());
        }
        thread::yield_now();
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE { Err("the others are gone".into()) } else { Ok(()) }
    }
}

fn send(out: &mut Producer<'_>, producer: u32, sequence: u32) -> Outcome {
    let mut backoff = Backoff::default();
    let mut slot = loop {
        if let Some(slot) = out.claim()? {
            break slot;
        }
        backoff.snooze()?;
    };
    let words = words_mut(&mut slot);
    words[0] = producer;
    for (value, word) in words[1..].iter_mut().zip(sequence..) {
        *value = word;
    }
    Ok(out.commit(slot.bytes)?)
}

/// Prints the nanoseconds from the start to the last message; then of each producer how many came, and their sequences' sum.
fn consume(mut input: Consumer<'_>, start_ns: u64, producers: u32) -> Outcome {
    let mut arrived = vec![(0u32, 0u64, 0u64); producers as usize];
    let mut idle_since = None;
    let mut backoff = Backoff::default();
    loop {
        let Some(slot) = input.take()? else {
            if idle_since.is_none() {
                idle_since = Some(now_ns()?);
            }
            backoff.snooze()?;
            continue;
        };
        let message: [u32; WORDS as usize] = words(&slot).try_into()?;
        input.release();
        if message[0] == END {
            break;
        }
        idle_since = None;
        backoff = Backoff::default();
        let (next, count, sequences) =
            arrived.get_mut(message[0] as usize).ok_or("a message comes from nobody")?;
        let sequence = message[1];
        let is_whole = message[1..].iter().zip(sequence..).all(|(value, word)| *value == word);
        if !is_whole || sequence < *next {
            return Err("a message is torn or late".into());
        }
        *next = sequence + 1;
        *count += 1;
        *sequences += u64::from(sequence);
    }
    let ended_ns = idle_since.map_or_else(now_ns, Ok)?;
    let of_each: Vec<String> = arrived.iter().map(|(_, count, sum)| format!("{count} {sum}")).collect();
    println!("{} {}", ended_ns.saturating_sub(start_ns), of_each.join(" "));
    Ok(())
}
