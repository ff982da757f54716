//! Models of the core's algorithms: every order of their steps, with one thread killed at any of them (DECISIONS 26).
//!
//! The algorithms are those of `src`, over a [`world`] that stands for memory and kernel; [`explore`] says how far the orders go.

mod actor;
mod barrier;
mod broadcast;
mod condition;
mod event;
mod explore;
mod latest;
mod map;
mod membership;
mod mutant;
mod mutex;
mod news;
mod permits;
mod process;
mod ring_many;
mod ring_one;
mod rwlock;
mod world;
