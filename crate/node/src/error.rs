//! Where errors change shape: a core error becomes a `ShmError` of the facade, thrown with its fields as data.
//!
//! The facade hands us its constructor once an environment ([`register_error_factory`]); we call it with the facts, so that
//! the class, its hint and its stack are made in JavaScript, at the place of the failure.

use napi::bindgen_prelude::{Env, FnArgs, Function, FunctionRef, Unknown};
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::error::{Cause, Subject};

/// What the facade's factory gets.
#[napi(object)]
#[derive(Debug, Default)]
pub struct ErrorFacts {
    /// `ENOSPC`, `ERR_SHM_CLOSED`.
    pub code: String,
    /// The sentence.
    pub message: String,
    /// Negative, as Node's own.
    pub errno: Option<i32>,
    /// The call, under its man-page name.
    pub syscall: Option<String>,
    /// The subject, where it is a System V key.
    pub key: Option<i32>,
    /// The subject, where it is a System V identifier.
    pub id: Option<i32>,
    /// The subject, where it is an object's name.
    pub object_name: Option<String>,
    /// The subject, where it is a path.
    pub path: Option<String>,
}

type Factory = FunctionRef<FnArgs<(ErrorFacts,)>, Unknown<'static>>;

/// Takes the function that makes a `ShmError` from its facts.
#[napi(catch_unwind)]
pub fn register_error_factory(
    env: Env,
    factory: Function<'_, FnArgs<(ErrorFacts,)>, Unknown<'static>>,
) -> Result<()> {
    env.set_instance_data(factory.create_ref()?, (), |_| {})
}

/// Throws what the core reported.
pub(crate) trait OrThrow<T> {
    /// Makes the exception pending, if there is one to throw.
    fn or_throw(self, env: &Env) -> Result<T>;
}

impl<T> OrThrow<T> for shmem_core::Result<T> {
    fn or_throw(self, env: &Env) -> Result<T> {
        self.map_err(|error| throw(env, &error))
    }
}

/// As [`OrThrow::or_throw`], for an error in hand.
pub(crate) fn throw(env: &Env, error: &shmem_core::Error) -> Error {
    match make(env, error).and_then(|made| env.throw(made)) {
        Ok(()) => Error::new(Status::PendingException, error.to_string()),
        Err(problem) => Error::new(Status::GenericFailure, format!("{error} (and: {problem})")),
    }
}

fn make<'env>(env: &'env Env, error: &shmem_core::Error) -> Result<Unknown<'env>> {
    let factory = env
        .get_instance_data::<Factory>()?
        .ok_or_else(|| Error::new(Status::GenericFailure, "no error factory is registered"))?;
    factory.borrow_back(env)?.call((facts(error),).into())
}

/// The facts of an error that is not thrown here, for the facade to make it of.
pub(crate) fn facts(error: &shmem_core::Error) -> ErrorFacts {
    let mut facts = ErrorFacts { code: error.code(), message: error.to_string(), ..ErrorFacts::default() };
    if let Cause::System { syscall, errno } = &error.cause {
        facts.errno = Some(-errno.raw());
        facts.syscall = Some((*syscall).to_owned());
    }
    match &error.subject {
        Subject::None => {}
        Subject::Key(key) => facts.key = Some(*key),
        Subject::Id(id) => facts.id = Some(*id),
        Subject::Name(name) => facts.object_name = Some(name.clone()),
        Subject::Path(path) => facts.path = Some(path.clone()),
    }
    facts
}
