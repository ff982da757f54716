//! Two processes hand messages to each other through iceoryx2's publish-subscribe: loaned, written and read in place.
//!
//! Reads "<case> <messages> <slots> <message bytes>" a line and answers nanoseconds, as the C probes do:
//!
//! * "words": every 32-bit word of a message is written and read, summed and compared with its place in the sequence;
//! * "ends": only the first and the last word, as when the bytes are already where they belong;
//! * "ping-pong": one message goes to and fro between two processes that spin; half of a round, with its ends.
//!
//! The partner is this program again, with the case as its arguments. What iceoryx2 puts into the file system
//! has the name of this process and ends with it.

mod link;

use link::{Link, Receiver, Sender};
use std::error::Error;
use std::io::{self, BufRead, Read};
use std::process::{self, Command, Stdio};
use std::time::Instant;
use std::{env, fs, thread};

/// A message before and after the others. One that is published before somebody subscribed is lost, and ports that close
/// take their messages along.
const MARK: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Words,
    Ends,
    PingPong,
}

/// What both processes of a case know.
#[derive(Debug, Clone)]
struct Case {
    kind: Kind,
    messages: u32,
    slots: usize,
    words: usize,
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
        let slots = parts.next()?.parse().ok().filter(|&slots| slots > 0)?;
        let bytes: usize = parts.next()?.parse().ok().filter(|bytes| bytes % 4 == 0 && *bytes >= 8)?;
        Some(Self { kind, messages, slots, words: bytes / 4 })
    }

    /// They start the other process up and are not counted.
    fn warm_up(&self) -> u32 {
        self.messages / 10 + 1
    }

    fn total(&self) -> u32 {
        self.warm_up() + self.messages
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [folder, case] = words.as_slice() {
        return act_as_partner(folder, &Case::parse(case).ok_or("not a case")?);
    }
    let folder = env::temp_dir().join(format!("shmem-bench-iceoryx2-{}_", process::id()));
    fs::create_dir_all(&folder)?;
    let folder = folder.to_str().ok_or("the temporary folder has no name in Unicode")?;
    let outcome = serve(folder);
    link::remove_leftovers(folder)?;
    outcome
}

fn serve(folder: &str) -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let case = Case::parse(&line).ok_or_else(|| format!("not a case: {line}"))?;
        println!("{:.3}", run(folder, &line, &case)?);
    }
    Ok(())
}

/// Nanoseconds a message, at the end that receives; in a ping-pong one way.
fn run(folder: &str, line: &str, case: &Case) -> Result<f64, Box<dyn Error>> {
    let link = Link::open(folder, case.slots)?;
    let (there, back) = (link.sender("there", case.words)?, link.receiver("back")?);
    // Its input ends with this process, which it would spin for otherwise.
    let mut partner = Command::new(env::current_exe()?).args([folder, line]).stdin(Stdio::piped()).spawn()?;
    let input = partner.stdin.take();
    let outcome = receive_all(case, &there, &back);
    if outcome.is_err() {
        drop(input);
        partner.wait()?;
        return outcome;
    }
    let status = partner.wait()?;
    if status.success() { outcome } else { Err("the second process failed".into()) }
}

fn receive_all(case: &Case, there: &Sender, back: &Receiver) -> Result<f64, Box<dyn Error>> {
    back.expect_ends(MARK)?;
    there.send_ends(MARK)?;
    let mut started = Instant::now();
    for sequence in 0..case.total() {
        if sequence == case.warm_up() {
            started = Instant::now();
        }
        match case.kind {
            Kind::Words => back.expect_words(sequence)?,
            Kind::Ends => back.expect_ends(sequence)?,
            Kind::PingPong => {
                there.send_ends(sequence)?;
                back.expect_ends(sequence)?;
            }
        }
    }
    let took_ns = started.elapsed().as_secs_f64() * 1e9;
    there.send_ends(MARK)?;
    let ways = if case.kind == Kind::PingPong { 2.0 } else { 1.0 };
    Ok(took_ns / f64::from(case.messages) / ways)
}

fn act_as_partner(folder: &str, case: &Case) -> Result<(), Box<dyn Error>> {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(1);
    });
    let link = Link::open(folder, case.slots)?;
    let (there, back) = (link.receiver("there")?, link.sender("back", case.words)?);
    back.send_ends(MARK)?;
    there.expect_ends(MARK)?;
    for sequence in 0..case.total() {
        match case.kind {
            Kind::Words => back.send_words(sequence)?,
            Kind::Ends => back.send_ends(sequence)?,
            Kind::PingPong => {
                there.expect_ends(sequence)?;
                back.send_ends(sequence)?;
            }
        }
    }
    there.expect_ends(MARK)
}
