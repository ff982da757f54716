//! The other side of `examples/peers/rust/workshop.ts`: a Rust program as a member of a managed segment that Node made, with the same ring, map and mutex.
//!
//! ```sh
//! cargo build -p shmem-core --example workshop      # workshop.ts starts it
//! ```
//!
//! `workshop work <name>` takes orders from the ring until they end; `workshop die <name>` is killed with the mutex in hand.

use shmem_core::managed::handle::Mutex;
use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{MapOptions as Mapped, posix};
use shmem_core::structures::map::{MapOptions, SharedMap, Values};
use shmem_core::structures::ring::{Received, Ring, RingGeometry};
use shmem_core::{Error, Result};
use std::process::ExitCode;

/// As workshop.ts has them: another geometry under the same name is `ERR_SHM_TYPE_MISMATCH`.
const ORDERS: RingGeometry = RingGeometry { slots: 64, slot_bytes: 16, flags: 0 };
const DONE: MapOptions = MapOptions { values: Values::Text, ..MapOptions::new(256 << 10) };

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, name] = words.as_slice() else {
        eprintln!("usage: workshop work|die <name>");
        return ExitCode::from(2);
    };
    match run(role, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Rust: {} {error}", error.code());
            ExitCode::FAILURE
        }
    }
}

fn run(role: &str, name: &str) -> Result<()> {
    let segment = posix::open(&format!("/{name}"), &Mapped::default())?;
    let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
    let member = managed.join(&JoinOptions { name: "in Rust".to_owned() })?;
    if role == "die" {
        die(&managed, &member)?
    } else {
        work(&managed, &member)?
    }
    // Who is dropped without it counts as dead: its locks are found held by a dead one.
    member.leave();
    Ok(())
}

/// Takes orders, until the producer in Node ends.
fn work(managed: &ManagedSegment, member: &Member) -> Result<()> {
    let mut orders = Ring::open(managed, member, "orders", ORDERS)?.consumer()?;
    let done = SharedMap::open(managed, member, "done", DONE)?;
    let mut message = [0; 16];
    let mut count = 0;
    loop {
        match orders.receive(&mut message, None)? {
            Received::Message(bytes) => {
                let order = number(&message[..bytes])?;
                done.set(&order.to_string(), (order * order).to_string().as_bytes(), None)?;
                add_to_total(managed, member, &done, order)?;
                count += 1;
            }
            Received::Ended => break,
            other => return Err(Error::own("ERR_SHM_UNSUPPORTED", format!("the ring answers {other:?}"))),
        }
    }
    println!("Rust: took {count} orders");
    Ok(())
}

/// A change in several steps, which the mutex makes one.
fn add_to_total(managed: &ManagedSegment, member: &Member, done: &SharedMap<'_>, order: u64) -> Result<()> {
    let mutex = Mutex::open(managed, member, "total")?;
    let Some(_held) = mutex.lock(None)? else { return Ok(()) };
    let total = done.get("total")?.map_or(Ok(0), |text| number(&text))?;
    done.set("total", (total + order).to_string().as_bytes(), None)
}

/// Is killed in the middle of a change.
fn die(managed: &ManagedSegment, member: &Member) -> Result<()> {
    let mutex = Mutex::open(managed, member, "total")?;
    let _held = mutex.lock(None)?;
    SharedMap::open(managed, member, "done", DONE)?.set("total", b"half", None)?;
    println!("Rust: has the mutex");
    // Until it is killed; or until Node ends, and closes this pipe.
    let _ = std::io::stdin().read_line(&mut String::new());
    Ok(())
}

fn number(text: &[u8]) -> Result<u64> {
    let text = String::from_utf8_lossy(text);
    text.parse().map_err(|_| Error::own("ERR_OUT_OF_RANGE", format!("'{text}' is no number")))
}
