//! The list against a model, killed at every store of every call and of the recovery from it, and scribbled over.
//!
//! `PROPTEST_CASES=10000 cargo test -p shmem-core structures::list` is the long form.

use super::*;
use crate::managed::ManagedOptions;
use crate::membership::JoinOptions;
use crate::memory::{CreateOptions, memfd};
use proptest::prelude::*;
use std::cell::Cell;

thread_local! {
    /// How many more stores and copies this thread may do before it is as if killed.
    static STEPS_LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

fn killed() -> Error {
    Error::own("TEST_KILLED", "")
}

/// Stands in front of every store: the error unwinds the call, and no later store happens, as after SIGKILL.
pub(super) fn before_store() -> Result<()> {
    match STEPS_LEFT.get() {
        None => Ok(()),
        Some(0) => Err(killed()),
        Some(left) => {
            STEPS_LEFT.set(Some(left - 1));
            Ok(())
        }
    }
}

/// Stands in front of every copy into a node: how many bytes of it are still done, and whether the call goes on.
pub(super) fn before_copy(bytes: usize) -> (usize, Result<()>) {
    match before_store() {
        Ok(()) => (bytes, Ok(())),
        Err(error) => (bytes / 2, Err(error)),
    }
}

/// Runs `call` so that it is killed after this many steps; `None` if it was.
fn killed_after<T>(steps: u64, call: impl FnOnce() -> Result<T>) -> Option<T> {
    STEPS_LEFT.set(Some(steps));
    let result = call();
    STEPS_LEFT.set(None);
    match result {
        Err(error) if error.code() == "TEST_KILLED" => None,
        result => Some(result.unwrap()),
    }
}

const VALUE_BYTES: u32 = 20;
const CAPACITY: u32 = 6;

type Value = [u8; VALUE_BYTES as usize];

struct World {
    managed: ManagedSegment,
    member: Member,
}

impl World {
    fn new() -> Self {
        let segment = memfd::create("list", &CreateOptions::new(512 << 10), 0).unwrap();
        let managed = ManagedSegment::open(&segment, ManagedOptions::make()).unwrap();
        let member = managed.join(&JoinOptions::default()).unwrap();
        Self { managed, member }
    }

    fn list(&self) -> List<'_> {
        List::open(&self.managed, &self.member, "list", VALUE_BYTES, CAPACITY).unwrap()
    }
}

fn snapshot(list: &List<'_>) -> Vec<u32> {
    words_of(list).map(|word| word.load()).collect()
}

fn restore(list: &List<'_>, words: &[u32]) {
    words_of(list).zip(words).for_each(|(word, value)| word.store(*value));
}

fn words_of<'a>(list: &List<'a>) -> impl Iterator<Item = crate::membership::Word> + use<'a> {
    let place = list.chain.place;
    // Not the lock and the counters, which are no part of the chain.
    (4..list.chain.geometry.bytes())
        .step_by(4)
        .filter(|at| !(96..108).contains(at))
        .map(move |at| place.word(at).unwrap())
}

/// One call on the chain; positions are counted, modulo how many there are.
#[derive(Clone, Debug)]
enum Call {
    First,
    Last,
    Before(usize),
    After(usize),
    Remove(usize),
    Write(usize),
    Clear,
}

fn calls(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        3 => Just(Call::First),
        3 => Just(Call::Last),
        2 => any::<usize>().prop_map(Call::Before),
        2 => any::<usize>().prop_map(Call::After),
        5 => any::<usize>().prop_map(Call::Remove),
        3 => any::<usize>().prop_map(Call::Write),
        1 => Just(Call::Clear),
    ];
    proptest::collection::vec(call, count)
}

fn config(cases: u32) -> ProptestConfig {
    let by_environment = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { by_environment.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..by_environment }
}

/// What must be in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    nodes: Vec<(Node, Value)>,
    /// Handles of nodes that were removed.
    gone: Vec<Node>,
    fills: u8,
}

impl Model {
    fn apply(&mut self, chain: &Chain<'_>, call: &Call) -> Result<()> {
        let pick = |index: usize| index % self.nodes.len().max(1);
        self.fills = self.fills.wrapping_add(1);
        let value = [self.fills; VALUE_BYTES as usize];
        let source = Source::from(&value[..]);
        let is_empty = self.nodes.is_empty();
        let (index, position) = match *call {
            Call::First => (0, Position::First),
            Call::Last => (self.nodes.len(), Position::Last),
            Call::Before(_) | Call::After(_) | Call::Remove(_) | Call::Write(_) if is_empty => return Ok(()),
            Call::Before(index) => (pick(index), Position::Before(self.nodes[pick(index)].0)),
            Call::After(index) => (pick(index) + 1, Position::After(self.nodes[pick(index)].0)),
            Call::Remove(index) => {
                let index = pick(index);
                chain.remove(chain.resolve(self.nodes[index].0)?)?;
                self.gone.push(self.nodes.remove(index).0);
                return Ok(());
            }
            Call::Write(index) => {
                let index = pick(index);
                chain.write(chain.resolve(self.nodes[index].0)?, &source)?;
                self.nodes[index].1 = value;
                return Ok(());
            }
            Call::Clear => {
                chain.clear()?;
                self.gone.extend(self.nodes.drain(..).map(|(node, _)| node));
                return Ok(());
            }
        };
        match chain.insert(position, &source)? {
            Some(node) => self.nodes.insert(index, (node, value)),
            None => assert_eq!(self.nodes.len(), CAPACITY as usize, "full before it is"),
        }
        Ok(())
    }
}

/// All that must hold between two calls. Answers handles and values, in order.
fn whole(chain: &Chain<'_>) -> Vec<(Node, Value)> {
    let nodes = chain.nodes().expect("the list is whole");
    let mut backwards = Vec::new();
    let mut at = chain.link(list::TAIL).unwrap();
    while let Some(node) = at {
        backwards.push(chain.named(Some(node)).unwrap().unwrap());
        at = chain.previous(node).unwrap();
    }
    backwards.reverse();
    assert_eq!(nodes, backwards, "both ways");
    assert_eq!(chain.length().unwrap() as usize, nodes.len());
    let mut free = 0;
    let mut at = chain.link(list::FREE).unwrap();
    while let Some(node) = at {
        assert!(chain.named(Some(node)).is_err(), "a free node has an even generation");
        free += 1;
        assert!(free <= chain.geometry.nodes(), "the free nodes go round");
        at = chain.next(node).unwrap();
    }
    let fresh = chain.place.word(list::FRESH).unwrap().load();
    assert_eq!(fresh - free, chain.length().unwrap(), "each used node is in the list, or free");
    nodes.into_iter().map(|node| (node, value_of(chain, node))).collect()
}

fn value_of(chain: &Chain<'_>, node: Node) -> Value {
    let mut value = Value::default();
    chain.copy_out(chain.resolve(node).unwrap(), &Target::from(&mut value[..])).unwrap();
    value
}

/// What the next owner of the lock does, and what then must hold: all as before the call that was killed, or as after it.
fn assert_recovers(chain: &Chain<'_>, outcomes: [&Model; 2], call: &Call) {
    chain.recover().expect("a kill is no damage");
    let found = whole(chain);
    let is_as = |model: &&Model| {
        let values = |nodes: &[(Node, Value)]| nodes.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        values(&found) == values(&model.nodes)
    };
    let outcome = outcomes.into_iter().find(is_as);
    let outcome = outcome.unwrap_or_else(|| panic!("{found:?} after {call:?} is none of {outcomes:#?}"));
    for gone in &outcome.gone {
        assert_eq!(chain.resolve(*gone).unwrap_err().code(), "ERR_SHM_STALE_HANDLE");
    }
    for (node, value) in &outcome.nodes {
        assert_eq!(value_of(chain, *node), *value, "the handle names its node still");
    }
}

/// Kills the call after every step it has, and the recovery from each after every step; then lets it through. Answers how many there were.
fn kill_everywhere(chain: &Chain<'_>, list: &List<'_>, model: &mut Model, call: &Call) -> u64 {
    let before_it = snapshot(list);
    let mut after = model.clone();
    after.apply(chain, call).unwrap();
    for steps in 0.. {
        restore(list, &before_it);
        if killed_after(steps, || model.clone().apply(chain, call)).is_some() {
            *model = after;
            whole(chain);
            return steps;
        }
        let killed = snapshot(list);
        for steps in 0.. {
            restore(list, &killed);
            if killed_after(steps, || chain.recover()).is_some() {
                break;
            }
            assert_recovers(chain, [model, &after], call);
        }
        restore(list, &killed);
        assert_recovers(chain, [model, &after], call);
    }
    unreachable!()
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn any_calls_keep_order_and_values_and_tell_stale_handles(script in calls(1..150)) {
        let world = World::new();
        let list = world.list();
        let mut model = Model::default();
        for call in &script {
            model.apply(&list.chain, call).unwrap();
            prop_assert_eq!(&whole(&list.chain), &model.nodes);
        }
        for gone in &model.gone {
            prop_assert_eq!(list.chain.resolve(*gone).unwrap_err().code(), "ERR_SHM_STALE_HANDLE");
        }
    }

    #[test]
    fn a_kill_at_any_step_leaves_the_list_as_before_the_call_or_as_after_it(script in calls(1..40)) {
        let world = World::new();
        let list = world.list();
        let mut model = Model::default();
        for call in &script {
            kill_everywhere(&list.chain, &list, &mut model, call);
        }
    }

    #[test]
    fn scribbled_bytes_give_errors_or_nonsense_and_end(
        script in calls(1..40),
        scribbles in proptest::collection::vec((any::<u64>(), prop_oneof![any::<u32>(), 0..400_u32]), 1..40),
    ) {
        let world = World::new();
        let list = world.list();
        let words: Vec<_> = words_of(&list).collect();
        let mut known = vec![Node::from_number(u64::MAX), Node::from_number(0)];
        for (index, call) in script.iter().enumerate() {
            if let Some((at, value)) = scribbles.get(index) {
                let at = usize::try_from(at % words.len() as u64).unwrap();
                // A link that could be one, else anything.
                let stride = u32::try_from(list.chain.geometry.stride()).unwrap();
                words[at].store(if value % 3 == 0 { 128 + value % 8 * stride } else { *value });
            }
            survive(&list, call, &mut known);
        }
        list.clear().unwrap();
        prop_assert_eq!(whole(&list.chain), vec![]);
        list.insert(Position::First, &[7; VALUE_BYTES as usize][..]).unwrap().unwrap();
    }
}

/// Makes the call and expects nothing but an end: an answer, or an error of ours.
fn survive(list: &List<'_>, call: &Call, known: &mut Vec<Node>) {
    let value = [1; VALUE_BYTES as usize];
    let pick = |index: usize| known[index % known.len()];
    let put = |position| list.insert(position, &value[..]);
    let made = match *call {
        Call::First => put(Position::First),
        Call::Last => put(Position::Last),
        Call::Before(index) => put(Position::Before(pick(index))),
        Call::After(index) => put(Position::After(pick(index))),
        Call::Remove(index) => list.remove(pick(index)).map(|()| None),
        Call::Write(index) => list.write(pick(index), &value[..]).map(|()| None),
        Call::Clear => list.chain.recover().map(|()| None),
    };
    let mut target = value;
    let errors = [
        list.nodes().err(),
        list.shift(&mut target[..]).err(),
        list.next(known[known.len() - 1]).err(),
        made.as_ref().err().cloned(),
    ];
    for error in errors.into_iter().flatten() {
        let code = error.code();
        assert!(["ERR_SHM_POSSIBLY_CORRUPT", "ERR_SHM_STALE_HANDLE"].contains(&code.as_str()), "{code}");
    }
    known.extend(made.ok().flatten());
}

#[test]
fn the_longest_calls_are_killed_at_each_of_their_steps() {
    let world = World::new();
    let list = world.list();
    let mut model = Model::default();
    let mut kill = |call| kill_everywhere(&list.chain, &list, &mut model, &call);
    assert!(kill(Call::Last) >= 8);
    assert!(kill(Call::Last) >= 8);
    assert!(kill(Call::After(0)) >= 8);
    assert!(kill(Call::Write(1)) >= 7);
    assert!(kill(Call::Remove(1)) >= 6);
}

#[test]
fn links_that_go_round_are_reported_and_a_cleared_list_is_usable_again() {
    let world = World::new();
    let list = world.list();
    let value = [0; VALUE_BYTES as usize];
    let nodes: Vec<Node> =
        (0..3).map(|_| list.insert(Position::Last, &value[..]).unwrap().unwrap()).collect();
    let last = list.chain.resolve(nodes[2]).unwrap();
    list.chain.place.word(last.field(list::NEXT)).unwrap().store(128);
    for error in [list.nodes().map(drop), list.chain.recover(), list.remove(nodes[2])] {
        assert_eq!(error.unwrap_err().code(), "ERR_SHM_POSSIBLY_CORRUPT");
    }
    list.clear().unwrap();
    assert_eq!(list.nodes().unwrap(), vec![]);
    assert_eq!(list.read(nodes[0], &mut { value }[..]).unwrap_err().code(), "ERR_SHM_STALE_HANDLE");
    list.insert(Position::Last, &value[..]).unwrap().unwrap();
}

#[test]
fn damage_behind_a_dead_owner_is_reported_to_everybody_until_the_list_is_cleared() {
    let world = World::new();
    let list = world.list();
    let value = [3; VALUE_BYTES as usize];
    let node = list.insert(Position::Last, &value[..]).unwrap().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let member = world.managed.join(&JoinOptions::default()).unwrap();
            let list = List::open(&world.managed, &member, "list", VALUE_BYTES, CAPACITY).unwrap();
            list.lock().unwrap();
            list.chain.place.word(list::HEAD).unwrap().store(5);
            member.die();
        });
    });
    for _ in 0..2 {
        assert_eq!(list.first().unwrap_err().code(), "ERR_SHM_POSSIBLY_CORRUPT");
        assert_eq!(list.remove(node).unwrap_err().code(), "ERR_SHM_POSSIBLY_CORRUPT");
    }
    list.clear().unwrap();
    assert_eq!(list.first().unwrap(), None);
}
