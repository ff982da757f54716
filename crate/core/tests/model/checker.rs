//! A small explicit-state model checker: visits every reachable state once, depth first, and prints a shortest
//! run to the first state that breaks a property. A system tells its steps; a step is atomic.

use std::fmt::Write as _;

/// What a run may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// Two living members are inside the critical section, or a one-time thing was taken twice.
    Exclusion,
    /// An owner's death is reported to nobody, or to somebody who does not follow it.
    DeathReport,
    /// Nobody can make a step and a living member still waits.
    Asleep,
    /// A run can go on for ever.
    Endless,
}

/// One atomic step that is possible in a state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<S> {
    /// Who makes it.
    pub(crate) actor: usize,
    /// What is done, for the printed run.
    pub(crate) what: &'static str,
    /// Whether it comes from outside (a kill, an abort): nobody may rely on it to happen.
    pub(crate) outside: bool,
    /// The state behind it.
    pub(crate) state: S,
    /// The property that this very step breaks.
    pub(crate) broken: Option<Property>,
}

/// A system of members whose steps interleave.
pub(crate) trait System {
    /// A state; cheap to copy.
    type State: Copy;
    /// Where all runs begin.
    fn start(&self) -> Self::State;
    /// Appends all steps possible in `state`.
    fn steps(&self, state: &Self::State, steps: &mut Vec<Step<Self::State>>);
    /// Equal for states that behave alike, and below 2^127.
    fn key(&self, state: &Self::State) -> u128;
    /// Whether a living member has not come to its end.
    fn waits(&self, state: &Self::State) -> bool;
    /// The state in a line.
    fn show(&self, state: &Self::State) -> String;
}

/// How much was visited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visited {
    /// States, of those that behave alike one.
    pub(crate) states: usize,
    /// Steps between them.
    pub(crate) steps: usize,
}

/// Visits all reachable states.
///
/// # Errors
/// The property that is broken first.
pub(crate) fn explore<M: System>(system: &M) -> Result<Visited, Property> {
    enum Visit<S> {
        Enter(S),
        Leave(u128),
    }
    let mut seen = Table::new();
    let mut visits = vec![Visit::Enter(system.start())];
    let mut steps = Vec::new();
    let mut step_count = 0;
    while let Some(visit) = visits.pop() {
        let state = match visit {
            Visit::Enter(state) => state,
            Visit::Leave(key) => {
                seen.leave(key);
                continue;
            }
        };
        let key = system.key(&state);
        match seen.enter(key) {
            Found::Done => continue,
            Found::OnPath => return Err(Property::Endless),
            Found::New => visits.push(Visit::Leave(key)),
        }
        steps.clear();
        system.steps(&state, &mut steps);
        if let Some(property) = broken(system, &state, &steps) {
            return Err(property);
        }
        step_count += steps.len();
        for step in &steps {
            visits.push(Visit::Enter(step.state));
        }
    }
    Ok(Visited { states: seen.count, steps: step_count })
}

/// A shortest run that breaks `property`, printed; `None` where there is none. Does not look for [`Property::Endless`].
pub(crate) fn shortest_run<M: System>(system: &M, property: Property) -> Option<String> {
    let mut seen = Table::new();
    let mut nodes = vec![(system.start(), 0, "start", 0)];
    seen.enter(system.key(&nodes[0].0));
    let mut steps = Vec::new();
    let mut at = 0;
    while at < nodes.len() {
        let state = nodes[at].0;
        steps.clear();
        system.steps(&state, &mut steps);
        if let Some(last) = steps.iter().find(|step| step.broken == Some(property)) {
            nodes.push((last.state, last.actor, last.what, at));
            return Some(print(system, &nodes, nodes.len() - 1));
        }
        if property == Property::Asleep && is_asleep(system, &state, &steps) {
            return Some(print(system, &nodes, at));
        }
        for step in &steps {
            if matches!(seen.enter(system.key(&step.state)), Found::New) {
                nodes.push((step.state, step.actor, step.what, at));
            }
        }
        at += 1;
    }
    None
}

fn broken<M: System>(system: &M, state: &M::State, steps: &[Step<M::State>]) -> Option<Property> {
    let by_step = steps.iter().find_map(|step| step.broken);
    by_step.or_else(|| is_asleep(system, state, steps).then_some(Property::Asleep))
}

fn is_asleep<M: System>(system: &M, state: &M::State, steps: &[Step<M::State>]) -> bool {
    steps.iter().all(|step| step.outside) && system.waits(state)
}

fn print<M: System>(system: &M, nodes: &[(M::State, usize, &str, usize)], mut at: usize) -> String {
    let mut path = vec![at];
    while at > 0 {
        at = nodes[at].3;
        path.push(at);
    }
    let mut text = String::new();
    for at in path.into_iter().rev() {
        let (state, actor, what, _) = nodes[at];
        writeln!(text, "  {actor} {what:<34} {}", system.show(&state)).expect("a string takes all");
    }
    text
}

enum Found {
    New,
    OnPath,
    Done,
}

/// A hash set of keys with open addressing; the top bit marks a key that was left. Plain, since tests are not optimised.
struct Table {
    slots: Vec<u128>,
    count: usize,
}

const EMPTY: u128 = u128::MAX;
const LEFT: u128 = 1 << 127;

impl Table {
    fn new() -> Self {
        Self { slots: vec![EMPTY; 1 << 16], count: 0 }
    }

    fn enter(&mut self, key: u128) -> Found {
        let at = self.find(key);
        if self.slots[at] == EMPTY {
            self.slots[at] = key;
            self.count += 1;
            if self.count * 2 > self.slots.len() {
                self.grow();
            }
            return Found::New;
        }
        if self.slots[at] & LEFT == 0 { Found::OnPath } else { Found::Done }
    }

    fn leave(&mut self, key: u128) {
        let at = self.find(key);
        self.slots[at] |= LEFT;
    }

    fn find(&self, key: u128) -> usize {
        let bytes = key.to_ne_bytes();
        let [low, high] =
            [0, 8].map(|at| usize::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes")));
        let mixed = (low ^ high.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mask = self.slots.len() - 1;
        let mut at = ((mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 24) & mask;
        while self.slots[at] != EMPTY && self.slots[at] & !LEFT != key {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let larger = vec![EMPTY; self.slots.len() * 4];
        for key in std::mem::replace(&mut self.slots, larger) {
            if key != EMPTY {
                let at = self.find(key & !LEFT);
                self.slots[at] = key;
            }
        }
    }
}
