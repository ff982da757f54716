//! Quiet rounds: two to four members take what they want two or three times each, one or two are killed, and nobody comes from
//! outside. Every survivor must come to its end, and none may look by itself (`SHMEM_NO_RECHECK`): a lost wake leaves a sleeper for good.
//!
//! Constant lockers rescue every sleeper, so a storm proves nothing about lost wakes; this does.

use crate::book::{BYTES, Book, Count, POSITIONS, Row};
use crate::ledger::Ledger;
use crate::room::{Options, Random};
use shmem_core::fail_point;
use shmem_core::membership::Word;
use shmem_core::memory::{CreateOptions, OpenMode, posix};
use shmem_core::sys::futex;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Who has not ended by then sleeps.
const HANG_LIMIT: Duration = Duration::from_secs(10);

/// Members of a quiet round at once, in a table that has room for twice as many.
const SLOTS: u32 = 8;

type Outcome<T> = Result<T, String>;

/// How a member is to die.
#[derive(Clone, Debug)]
enum Death {
    /// So long after the beginning.
    After(Duration),
    /// When it got something for that time, and so long after.
    Having(u32, Duration),
    /// At a fail point, and so long after it stopped there.
    At(&'static str, u64, Duration),
}

#[derive(Default)]
struct Tally {
    /// Rounds.
    played: u32,
    /// Those in which somebody was killed.
    rounds: u32,
    kills: u32,
    /// Victims that had ended before they were killed, or never came to their fail point.
    missed: u32,
    deaths_told: u32,
    violations: u32,
    asleep: u32,
    failed: u32,
    points: BTreeMap<&'static str, u32>,
}

/// Plays a role until somebody was killed in `rounds` rounds, with up to `kills` victims each, and prints what came of it as a line of JSON.
pub(crate) fn run(role: &str, managed: &str, book: &str, options: &Options) -> Outcome<()> {
    let begun = Instant::now();
    let mut tally = Tally::default();
    let book_of_all = words(posix::create(book, &CreateOptions::new(BYTES), OpenMode::Create))?;
    let pages = Book::of(book_of_all);
    while tally.rounds < options.rounds {
        let seed = options.seed.wrapping_add(u64::from(tally.played));
        let kills_before = tally.kills;
        pages.clear();
        let size_bytes = 128 << 10;
        words(posix::create(managed, &CreateOptions::new(size_bytes), OpenMode::Create))?;
        let ledger = words(Ledger::create(book, POSITIONS))?;
        let played = play(role, [managed, book], &pages, seed, options.kills, &mut tally);
        words(posix::remove(&ledger))?;
        words(posix::remove(managed))?;
        played?;
        tally.played += 1;
        tally.rounds += u32::from(tally.kills > kills_before);
    }
    words(posix::remove(book))?;
    let points: Vec<String> =
        tally.points.iter().map(|(name, count)| format!("\"{name}\":{count}")).collect();
    println!(
        "{{\"role\":\"{role}\",\"played\":{},\"rounds\":{},\"kills\":{},\"missed\":{},\"ownerDeaths\":{},\"violations\":{},\"asleep\":{},\"failed\":{},\"seconds\":{:.1},\"points\":{{{}}}}}",
        tally.played,
        tally.rounds,
        tally.kills,
        tally.missed,
        tally.deaths_told,
        tally.violations,
        tally.asleep,
        tally.failed,
        begun.elapsed().as_secs_f64(),
        points.join(",")
    );
    Ok(())
}

fn play(role: &str, names: [&str; 2], book: &Book, seed: u64, kills: u32, tally: &mut Tally) -> Outcome<()> {
    let random = Random::new(seed);
    let deaths = plan(role, &random, kills);
    let locks = if random.one_in(4) { 2 } else { 1 };
    let round = Round { role, book, what: format!("seed {seed}, {deaths:?}") };
    let mut survivors = Vec::new();
    let mut murders = Vec::new();
    for (position, death) in deaths.iter().enumerate() {
        let child = start(role, names, position, locks, &random, death.as_ref())?;
        match death.clone() {
            Some(death) => {
                let (go, row) = (book.go(), book.row(position));
                murders.push((position, std::thread::spawn(move || murder(child, &death, go, row))));
            }
            None => survivors.push((position, child)),
        }
    }
    let stopped_early = |death: &Option<Death>| matches!(death, Some(Death::At(..)));
    for (position, _) in deaths.iter().enumerate().filter(|(_, death)| !stopped_early(death)) {
        let ready = book.row(position).word(Count::Ready);
        let patience = Instant::now() + HANG_LIMIT;
        while ready.load() == 0 && Instant::now() < patience {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    book.go().store(1);
    let _ = futex::wake(book.go().address(), i32::MAX, false);
    // Setters go on until nobody waits any more, consumers until nothing comes.
    for last in [false, true] {
        let is_of_them = |position: usize| {
            last == match role {
                "event" => position.is_multiple_of(2),
                "many" => !position.is_multiple_of(2),
                _ => false,
            }
        };
        if last && role == "many" {
            let closer = start("close-many", names, POSITIONS - 1, 1, &random, None)?;
            round.await_survivor(POSITIONS - 1, closer, tally)?;
        }
        for (position, child) in survivors.extract_if(.., |(position, _)| is_of_them(*position)) {
            round.await_survivor(position, child, tally)?;
        }
        for (_, murder) in murders.extract_if(.., |(position, _)| is_of_them(*position)) {
            match murder.join().map_err(|_| "a murderer panicked".to_owned())?? {
                Some("") => tally.kills += 1,
                Some(point) => {
                    tally.kills += 1;
                    *tally.points.entry(point).or_default() += 1;
                }
                None => tally.missed += 1,
            }
        }
        book.stop().store(1);
    }
    for position in 0..POSITIONS {
        let row = book.row(position);
        tally.deaths_told += row.word(Count::OwnerDeaths).load();
        let violations = row.word(Count::Violations).load();
        if violations > 0 {
            eprintln!(
                "violation {} by {position}: seed {seed}, {deaths:?}",
                row.word(Count::Violation).load()
            );
        }
        tally.violations += violations;
    }
    Ok(())
}

/// For each position, how it is to die, if it is.
fn plan(role: &str, random: &Random, kills: u32) -> Vec<Option<Death>> {
    // Roles that need others of their kind: an event a setter and a waiter that survive, a condition the one who raises the flag.
    let (least, most) = match role {
        "event" | "many" | "latest" | "broadcast" => (4, 4),
        "condition" => (2 + kills, 4),
        _ => (2.max(kills + 1), 4),
    };
    // Many more often than few.
    let fewer = random.below(u64::from(most - least + 1)).min(random.below(u64::from(most - least + 1)));
    let members = most - u32::try_from(fewer).unwrap_or(0);
    let mut deaths = vec![None; members as usize];
    let mut planned = 0;
    while planned < kills {
        let position = random.index(deaths.len());
        let is_last_of_its_kind = match role {
            "event" | "many" | "latest" | "broadcast" => {
                deaths.iter().enumerate().any(|(other, death)| death.is_some() && other % 2 == position % 2)
            }
            "condition" => position == 0,
            _ => false,
        };
        if deaths[position].is_some() || is_last_of_its_kind {
            continue;
        }
        planned += 1;
        let late = Duration::from_micros(random.below(800));
        let points = points_of(role, position, kills);
        deaths[position] = Some(match random.below(4) {
            0 => Death::After(late),
            // Late in its life, when those before it will not come again and find it dead.
            1 | 2 if !points[0].starts_with("event") => {
                Death::Having(1 + u32::try_from(random.below(3)).unwrap_or(0), late / 4)
            }
            _ => Death::At(points[random.index(points.len())], 1 + random.below(3), late / 2),
        });
    }
    deaths
}

const MANY_SENDING: [&str; 8] = [
    "many.claimed",
    "many.moved",
    "many.written",
    "many.looked",
    "many.announced",
    "many.changed",
    "many.opened",
    "many.armed",
];
const MANY_RECEIVING: [&str; 9] = [
    "many.seated",
    "many.taken",
    "many.passed",
    "many.read",
    "many.looked",
    "many.announced",
    "many.changed",
    "many.opened",
    "many.armed",
];

/// The places that a role comes to between joining and leaving.
fn points_of(role: &str, position: usize, kills: u32) -> Vec<&'static str> {
    let families: &[&str] = match role {
        "mutex" => &["lock.", "unlock."],
        "rwlock" => &["lock.", "unlock.", "read.", "write."],
        "semaphore" => &["permit.", "gate."],
        "event" if position.is_multiple_of(2) => &["event.set", "event.woken"],
        "event" => &["event.marked", "event.consumed"],
        "latest" if position.is_multiple_of(2) => {
            &["seat.", "latest.chosen", "latest.filled", "latest.published"]
        }
        "latest" => &["news.", "gate.closed", "latest.cleared", "latest.held"],
        "broadcast" if position.is_multiple_of(2) => {
            &["seat.", "broadcast.claimed", "broadcast.committed", "broadcast.counted"]
        }
        "broadcast" => &["news.", "gate.closed", "broadcast.copied"],
        "condition" => &["lock.", "unlock.", "condition.released", "condition.slept", "gate.closed"],
        "many" if position.is_multiple_of(2) => &MANY_SENDING,
        "many" => &MANY_RECEIVING,
        "map" => &["lock.", "unlock.", "map."],
        "list" => &["lock.", "unlock.", "list."],
        _ => &[],
    };
    // No wait of a quiet round has a limit, and nothing is given up; and the only victim never meets a dead one.
    let given_up = ["giving_up", "gave_up", "reset", "abandoned"];
    let after_a_death = [
        "owner_dead",
        "dead_taken",
        "dead_told",
        "reader_cleared",
        "repairing",
        "swept",
        "repaired",
        "redone",
        "rebuilt",
    ];
    let is_reached = |name: &str| {
        let step = name.split('.').nth(1).unwrap_or("");
        !given_up.contains(&step) && (kills > 1 || !after_a_death.contains(&step))
    };
    let is_of_role = |name: &str| families.iter().any(|family| name.starts_with(family));
    fail_point::KNOWN.iter().copied().filter(|name| is_of_role(name) && is_reached(name)).collect()
}

fn start(
    role: &str,
    [managed, book]: [&str; 2],
    position: usize,
    locks: u64,
    random: &Random,
    death: Option<&Death>,
) -> Outcome<Child> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args([role, managed, book, "quiet=1", "permits=1", "ring_slots=2"]);
    command.args([
        format!("position={position}"),
        format!("locks={locks}"),
        format!("rounds={}", 2 + random.below(2)),
        format!("seed={}", random.next()),
        format!("slots={SLOTS}"),
    ]);
    command.stdin(Stdio::null());
    if let Some(Death::At(name, nth, _)) = death {
        command.env("SHMEM_FAIL_POINT", format!("{name}@{nth}")).stdout(Stdio::piped());
    }
    command.spawn().map_err(|error| error.to_string())
}

/// Kills as planned. Answers at which fail point (or "" for none), or nothing if it was too late.
fn murder(mut child: Child, death: &Death, go: Word, row: Row) -> Outcome<Option<&'static str>> {
    let point = match death {
        Death::Having(nth, late) => {
            while row.word(Count::Got).load() < *nth {
                if child.try_wait().map_err(|error| error.to_string())?.is_some() {
                    return Ok(None);
                }
                std::thread::sleep(Duration::from_micros(20));
            }
            std::thread::sleep(*late);
            ""
        }
        Death::After(late) => {
            while go.load() == 0 {
                let _ = futex::wait(go.address(), 0, Duration::from_millis(10), false);
            }
            std::thread::sleep(*late);
            ""
        }
        Death::At(name, _, late) => {
            let mut line = String::new();
            let stdout = child.stdout.take().ok_or("no pipe")?;
            // Its end is the end of the pipe.
            BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
            std::thread::sleep(*late);
            name
        }
    };
    child.kill().map_err(|error| error.to_string())?;
    let status = child.wait().map_err(|error| error.to_string())?;
    // Only a signal leaves no code.
    Ok(status.code().is_none().then_some(point))
}

/// What a complaint needs to say which round it was.
struct Round<'a> {
    role: &'a str,
    book: &'a Book,
    what: String,
}

impl Round<'_> {
    fn await_survivor(&self, position: usize, mut child: Child, tally: &mut Tally) -> Outcome<()> {
        let patience = Instant::now() + HANG_LIMIT;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break Some(status);
            }
            if Instant::now() > patience {
                break None;
            }
            std::thread::sleep(Duration::from_micros(100));
        };
        match status {
            Some(status) if status.success() => {}
            Some(status) => {
                eprintln!("{} {position} ended with {status}: {}", self.role, self.what);
                tally.failed += 1;
            }
            None => {
                let waits = self.book.row(position).word(Count::Waiting).load() != 0;
                eprintln!("{} {position} sleeps (waits: {waits}): {}", self.role, self.what);
                tally.asleep += 1;
                child.kill().map_err(|error| error.to_string())?;
                child.wait().map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

fn words<T>(result: shmem_core::Result<T>) -> Outcome<T> {
    result.map_err(|error| error.to_string())
}
