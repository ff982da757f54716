//! Runs a model in every order of steps, for every step at which a thread is killed or gives up.
//!
//! The exploration is bounded: in one order, threads that could have gone on are interrupted [`Setup::preemptions`] times at most: 3 times where
//! there are two threads, 2 where there are three, once where there are more. Threads that sleep or end are not counted, nor where a thread is
//! killed: these are tried wholly. `SHMEM_LOOM_PREEMPTIONS=3 cargo test --test loom` sets another bound for all, and 0 takes it away.

use super::actor::{Actor, Fate, GivesUp, Killed};
use super::process::is_done_in_a_process_of_its_own;
use super::world::{Event, Forsaken, MaySleep, Setup, Trace, Violation, World};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// In words of 8 bytes: room for unoptimised code.
const STACK_WORDS: usize = 1 << 14;

/// A model: what the threads do, and what must hold.
pub(crate) trait Model: Clone + Send + Sync + 'static {
    /// What the model itself knows, beside the memory.
    type Truth: Default + Send + Sync + 'static;

    /// The machine.
    fn setup(&self) -> Setup;

    /// One thread's program.
    fn run(&self, actor: &Actor, truth: &Self::Truth);

    /// Whether it is right that somebody sleeps for ever, when all others have ended.
    fn may_sleep(&self, _world: &World) -> bool {
        false
    }

    /// When all have ended.
    fn finish(&self, _world: &World, _truth: &Self::Truth) {}
}

/// What came of one exploration.
pub(crate) struct Explored {
    pub(crate) orders: u64,
    /// Whether anybody met the fate that was meant for him.
    pub(crate) was_killed: bool,
    pub(crate) gave_up: bool,
}

/// The fate of one actor.
pub(crate) type Fates = [Fate; 5];

/// Tries every order of steps.
///
/// # Errors
/// What went wrong, and how it came to it.
pub(crate) fn explore<M: Model>(model: &M, fates: Fates) -> Result<Explored, String> {
    let trace = Trace::default();
    let orders = Arc::new(AtomicU64::new(0));
    let (was_killed, gave_up) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut setup = model.setup();
    setup.mortal = (0..setup.actors).find(|actor| fates[*actor].killed_at.is_some());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions(setup.preemptions);
    builder.max_branches = 10_000;
    let explored = {
        let (model, setup, trace) = (model.clone(), setup.clone(), Arc::clone(&trace));
        let judge = model.clone();
        let may_sleep: MaySleep = Arc::new(move |world| judge.may_sleep(world));
        let (orders, was_killed, gave_up) =
            (Arc::clone(&orders), Arc::clone(&was_killed), Arc::clone(&gave_up));
        catch_unwind(AssertUnwindSafe(|| {
            builder.check(move || {
                orders.fetch_add(1, Relaxed);
                trace.lock().unwrap().clear();
                let world = Arc::new(World::new(&setup, &trace, &may_sleep));
                let truth = Arc::new(M::Truth::default());
                for (index, fate) in fates.into_iter().enumerate().take(setup.actors) {
                    let actor = Actor::new(&world, index, fate);
                    let (model, truth) = (model.clone(), Arc::clone(&truth));
                    let (was_killed, gave_up) = (Arc::clone(&was_killed), Arc::clone(&gave_up));
                    let body = move || {
                        if is_killed(|| model.run(&actor, &truth)) {
                            was_killed.store(true, Relaxed);
                            actor.die();
                        }
                        if actor.gave_up() {
                            gave_up.store(true, Relaxed);
                        }
                        if actor.world.end(index) {
                            model.finish(&actor.world, &truth);
                        }
                    };
                    // loom has five threads, this one included.
                    if index == 4 {
                        body();
                        continue;
                    }
                    loom::thread::Builder::new().stack_size(STACK_WORDS).spawn(body).unwrap();
                }
            });
        }))
    };
    match explored {
        Ok(()) => Ok(Explored {
            orders: orders.load(Relaxed),
            was_killed: was_killed.load(Relaxed),
            gave_up: gave_up.load(Relaxed),
        }),
        Err(payload) => {
            let what = payload
                .downcast_ref::<Violation>()
                .map(|violation| violation.0.clone())
                .or_else(|| {
                    // loom itself finds those who sleep for ever; and an algorithm may say itself that something cannot be.
                    let text = payload.downcast_ref::<String>().cloned();
                    text.filter(|text| text.starts_with("deadlock") || text.contains("`Err` value: Error {"))
                })
                .or_else(|| payload.downcast_ref::<String>().map(|text| format!("{OWN_PANIC}{text}")))
                .or_else(|| payload.downcast_ref::<&str>().map(|text| format!("{OWN_PANIC}{text}")))
                .unwrap_or_else(|| format!("{OWN_PANIC}without a text"));
            let after = orders.load(Relaxed);
            let trace = trace.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let fates: Vec<_> = (0..setup.actors)
                .filter(|actor| fates[*actor] != Fate::default())
                .map(|actor| (actor, fates[actor]))
                .collect();
            Err(format!("{what}, in order {after} with {fates:?}\n{}", story(&setup, &trace)))
        }
    }
}

/// Every order, with nobody killed; then with one of `mortals` killed at each of his steps.
pub(crate) fn kill_each<M: Model>(model: &M, mortals: &[usize]) -> Result<u64, String> {
    let mut orders = explore(model, Fates::default())?.orders;
    for mortal in mortals {
        orders += kill(model, *mortal, Fates::default())?;
    }
    Ok(orders)
}

/// Every order, with the mortal killed at each of his steps.
fn kill<M: Model>(model: &M, mortal: usize, mut fates: Fates) -> Result<u64, String> {
    let mut orders = 0;
    for step in 1.. {
        fates[mortal].killed_at = Some(step);
        let explored = explore(model, fates)?;
        orders += explored.orders;
        if !explored.was_killed {
            break;
        }
    }
    Ok(orders)
}

/// Every order, with that actor giving up at each of his sleeps; and while he does, with the mortal killed at each step.
pub(crate) fn give_up_each<M: Model>(model: &M, actor: usize, mortal: Option<usize>) -> Result<u64, String> {
    let mut orders = 0;
    for how in [GivesUp::Awake, GivesUp::Asleep, GivesUp::Looking] {
        for time in 1.. {
            let mut fates = Fates::default();
            fates[actor].gives_up = Some((time, how));
            let explored = explore(model, fates)?;
            orders += explored.orders;
            if !explored.gave_up {
                break;
            }
            if let Some(mortal) = mortal {
                orders += kill(model, mortal, fates)?;
            }
        }
    }
    Ok(orders)
}

/// Says how many orders there were, or fails with the story.
pub(crate) fn holds(exploration: impl FnOnce() -> Result<u64, String>) {
    if is_done_in_a_process_of_its_own() {
        return;
    }
    match exploration() {
        Ok(orders) => println!("{orders} orders of steps"),
        Err(story) => panic!("{story}"),
    }
}

/// What a failure begins with that is not of the algorithm but of its model: an index out of bounds, say.
const OWN_PANIC: &str = "the model panicked: ";

/// Fails unless the model found the fault.
pub(crate) fn is_found(exploration: impl FnOnce() -> Result<u64, String>) {
    if is_done_in_a_process_of_its_own() {
        return;
    }
    match exploration() {
        Ok(orders) => panic!("nothing wrong was found in {orders} orders of steps"),
        Err(story) if story.starts_with(OWN_PANIC) => panic!("{story}"),
        Err(story) => println!("found: {}", story.lines().next().unwrap_or_default()),
    }
}

fn preemptions(asked: usize) -> Option<usize> {
    let bound = match std::env::var("SHMEM_LOOM_PREEMPTIONS") {
        Ok(text) => text.parse().expect("SHMEM_LOOM_PREEMPTIONS is a number"),
        Err(_) => asked,
    };
    (bound > 0).then_some(bound)
}

fn is_killed(run: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => false,
        Err(payload) if payload.is::<Killed>() => true,
        Err(payload) if payload.is::<Forsaken>() => false,
        Err(payload) => resume_unwind(payload),
    }
}

fn story(setup: &Setup, trace: &[Event]) -> String {
    let mut story = String::new();
    for Event { actor, what, word, values } in trace {
        let word = word.map_or_else(String::new, |word| World::name(setup, word));
        let values: Vec<_> = values.iter().flatten().map(|value| format!("{value:x}")).collect();
        let _ =
            writeln!(story, "{:width$}{actor}: {what} {word} {}", "", values.join(" → "), width = 4 * actor);
    }
    story
}
