//! A process for each test: models map and unmap stacks all the time, and two threads that do so in one address space keep each other waiting.

use std::cell::Cell;
use std::process::Command;
use std::{env, thread};

/// Set in such a process.
const ALONE: &str = "SHMEM_LOOM_ALONE";

thread_local! {
    static IS_DONE: Cell<bool> = const { Cell::new(false) };
}

/// Has this thread's test run in a process of its own, wholly and once, and says what it said. `false`: this is that process.
///
/// # Panics
/// Where the test fails there.
pub(crate) fn is_done_in_a_process_of_its_own() -> bool {
    if env::var_os(ALONE).is_some() {
        return false;
    }
    if IS_DONE.replace(true) {
        return true;
    }
    let thread = thread::current();
    let test = thread.name().expect("libtest names its threads");
    let program = env::current_exe().expect("this program has a path");
    let mut process = Command::new(program);
    process.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(ALONE, "1");
    let output = process.output().expect("this program runs again");
    let said = [output.stdout, output.stderr].concat();
    let said: Vec<_> = str::from_utf8(&said)
        .expect("a test says text")
        .lines()
        // What libtest says of it would be counted twice.
        .filter(|line| !line.is_empty() && !line.starts_with("running ") && !line.starts_with("test "))
        .collect();
    println!("{}", said.join("\n"));
    assert!(output.status.success(), "the test failed in a process of its own");
    assert!(!said.is_empty(), "the test did nothing in a process of its own");
    true
}
