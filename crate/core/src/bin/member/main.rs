//! One process of the kill tests (`__test__/60.kill-*.test.ts`): a member of a managed segment that plays a role until it is told to
//! stop, has had its rounds, or is killed.
//!
//! `member <role> <segment> <book> [key=value …]`: both are POSIX names; the keys are in [`room::Options`].
//! `member afterwards-<role> …` checks what must hold when all others are gone, `member close-<role> …` lets sleepers of a role go.
//! `member points` lists the places at which `SHMEM_FAIL_POINT=name@n` stops it; `SHMEM_NO_RECHECK=1` turns re-checks off.
//! `member quiet-<role> …` starts members itself: see [`quiet`].

mod allocator;
mod barrier;
mod book;
mod broadcast;
mod condition;
mod event;
mod joining;
mod latest;
mod ledger;
mod list;
mod many;
mod map;
mod mutex;
mod owner;
mod quiet;
mod ring_one;
mod room;
mod rwlock;
mod semaphore;

use room::{Options, Room};
use shmem_core::{Result, fail_point};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ended = match words.as_slice() {
        [verb] if verb == "points" => {
            fail_point::KNOWN.iter().for_each(|name| println!("{name}"));
            Ok(())
        }
        [verb, managed, book, options @ ..] => {
            Options::parse(options).and_then(|options| run(verb, managed, book, options))
        }
        _ => Err("usage: member <role> <segment> <book> [key=value …]".to_owned()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("member {}: {message}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &str, managed: &str, book: &str, options: Options) -> std::result::Result<(), String> {
    if let Some(role) = verb.strip_prefix("quiet-") {
        return quiet::run(role, managed, book, &options);
    }
    let act: fn(&Room) -> Result<()> = match verb {
        "mutex" => mutex::play,
        "rwlock" => rwlock::play,
        "semaphore" => semaphore::play,
        "event" => event::play,
        "condition" => condition::play,
        "barrier" => barrier::play,
        "join" => joining::play,
        "many" | "many-lone" | "many-drop" => many::play,
        "close-many" | "close-many-lone" | "close-many-drop" => many::close,
        "afterwards-many" | "afterwards-many-lone" | "afterwards-many-drop" => many::afterwards,
        "ring-one" => ring_one::play,
        "ring-send" => ring_one::send_until_killed,
        "ring-receive" => ring_one::receive_until_released,
        "ring-fill" => ring_one::fill_until_released,
        "ring-take" => ring_one::take_until_killed,
        "close-ring-one" => ring_one::close,
        "afterwards-ring-one" => ring_one::afterwards,
        "latest" => latest::play,
        "broadcast" => broadcast::play,
        "map" => map::play,
        "allocator" => allocator::play,
        "list" => list::play,
        "owner" => owner::own,
        "heir" => owner::inherit,
        "close-event" => event::close,
        "close-condition" => condition::close,
        "close-barrier" => barrier::close,
        "close-latest" => latest::close,
        "close-broadcast" => broadcast::close,
        "afterwards-mutex" => mutex::afterwards,
        "afterwards-rwlock" => rwlock::afterwards,
        "afterwards-semaphore" => semaphore::afterwards,
        "afterwards-event" => event::afterwards,
        "afterwards-condition" => condition::afterwards,
        "afterwards-barrier" => barrier::afterwards,
        "afterwards-join" => joining::afterwards,
        "afterwards-latest" => latest::afterwards,
        "afterwards-broadcast" => broadcast::afterwards,
        "afterwards-map" => map::afterwards,
        "afterwards-allocator" => allocator::afterwards,
        "afterwards-list" => list::afterwards,
        _ => return Err("no such role".to_owned()),
    };
    let room = Room::enter(managed, book, options).map_err(|error| error.to_string())?;
    act(&room).map_err(|error| format!("{} {error}", error.code()))?;
    room.member.leave();
    Ok(())
}
