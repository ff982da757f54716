//! What went wrong: the operation, its subject, and the cause, as data.
//!
//! An errno that we do not know by name survives the trip: [`Errno`] is a number, not an enum.

use std::fmt;

/// Result of everything above the system floor.
pub type Result<T> = std::result::Result<T, Error>;

/// An errno as the kernel or libc returned it; always positive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident $value:literal),* $(,)?) => {
        #[expect(missing_docs, reason = "the names are errno(3)'s own")]
        impl Errno { $(pub const $name: Self = Self($value);)* }
        const ERRNO_NAMES: &[(i32, &str)] = &[$(($value, stringify!($name))),*];
    };
}

// Linux x86-64 and arm64 share these numbers (include/uapi/asm-generic/errno*.h).
errnos! {
    EPERM 1, ENOENT 2, ESRCH 3, EINTR 4, EIO 5, ENXIO 6, E2BIG 7, EBADF 9, ECHILD 10, EAGAIN 11, ENOMEM 12,
    EACCES 13, EFAULT 14, EBUSY 16, EEXIST 17, EXDEV 18, ENODEV 19, ENOTDIR 20, EISDIR 21, EINVAL 22,
    ENFILE 23, EMFILE 24, ENOTTY 25, ETXTBSY 26, EFBIG 27, ENOSPC 28, ESPIPE 29, EROFS 30, EPIPE 32, EDOM 33,
    ERANGE 34, EDEADLK 35, ENAMETOOLONG 36, ENOLCK 37, ENOSYS 38, ENOTEMPTY 39, ELOOP 40, EIDRM 43,
    ENODATA 61, EOVERFLOW 75, ENOTSOCK 88, EMSGSIZE 90, EOPNOTSUPP 95, EADDRINUSE 98, EADDRNOTAVAIL 99,
    ECONNRESET 104, ETIMEDOUT 110, ECONNREFUSED 111, ESTALE 116, EDQUOT 122, ECANCELED 125,
    EOWNERDEAD 130, ENOTRECOVERABLE 131, EHWPOISON 133,
}

impl Errno {
    /// Wraps a raw errno.
    #[must_use]
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// The number, positive.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// The symbol, such as `ENOSPC`; a number unknown here reads `E<number>`.
    #[must_use]
    pub fn name(self) -> String {
        ERRNO_NAMES
            .iter()
            .find(|(value, _)| *value == self.0)
            .map_or_else(|| format!("E{}", self.0), |(_, name)| (*name).to_owned())
    }

    /// What the C library says of it.
    #[must_use]
    pub fn description(self) -> String {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        match text.find(" (os error") {
            Some(end) => text[..end].to_lowercase(),
            None => text,
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())
    }
}

/// What an operation was about.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Subject {
    /// Nothing that has a name.
    #[default]
    None,
    /// A System V key.
    Key(i32),
    /// A System V identifier.
    Id(i32),
    /// A POSIX object's name.
    Name(String),
    /// A path.
    Path(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Key(key) => write!(formatter, "key 0x{key:08x}"),
            Self::Id(id) => write!(formatter, "id {id}"),
            Self::Name(name) | Self::Path(name) => write!(formatter, "'{name}'"),
        }
    }
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A system call said so.
    System {
        /// The call, under its man-page name.
        syscall: &'static str,
        /// Its errno.
        errno: Errno,
    },
    /// One of our own reasons, with its code `ERR_SHM_…` and a sentence.
    Own {
        /// The stable code.
        code: &'static str,
        /// What happened, in words.
        message: String,
    },
}

/// A failed operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Why.
    pub cause: Cause,
    /// On what.
    pub subject: Subject,
    /// What we know beyond the errno, for the message; may be empty.
    pub detail: String,
}

impl Error {
    /// A system call's failure.
    #[must_use]
    pub const fn system(syscall: &'static str, errno: Errno) -> Self {
        Self { cause: Cause::System { syscall, errno }, subject: Subject::None, detail: String::new() }
    }

    /// A failure of our own making.
    #[must_use]
    pub fn own(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            cause: Cause::Own { code, message: message.into() },
            subject: Subject::None,
            detail: String::new(),
        }
    }

    /// Names the subject.
    #[must_use]
    pub fn on(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }

    /// Names the subject, unless one is named already.
    #[must_use]
    pub fn or_on(self, subject: impl FnOnce() -> Subject) -> Self {
        if self.subject == Subject::None { self.on(subject()) } else { self }
    }

    /// Adds what we know beyond the errno.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The errno, when a system call is the cause.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::System { errno, .. } => Some(errno),
            Cause::Own { .. } => None,
        }
    }

    /// The stable code: `ENOSPC`, `ERR_SHM_CLOSED`.
    #[must_use]
    pub fn code(&self) -> String {
        match &self.cause {
            Cause::System { errno, .. } => errno.name(),
            Cause::Own { code, .. } => (*code).to_owned(),
        }
    }
}

impl fmt::Display for Error {
    /// Reads as Node's own system errors do: `ENOSPC: no space left on device, fallocate '/frames'`. Of a sentence of our own the subject comes first, since
    /// behind it it would seem a part of it: `'book': it is a mutex, not a ring`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, &self.subject) {
            (Cause::System { syscall, errno }, subject) => {
                write!(formatter, "{}: {}, {syscall}", errno.name(), errno.description())?;
                if *subject != Subject::None {
                    write!(formatter, " {subject}")?;
                }
            }
            (Cause::Own { message, .. }, Subject::None) => formatter.write_str(message)?,
            (Cause::Own { message, .. }, subject) => write!(formatter, "{subject}: {message}")?,
        }
        if !self.detail.is_empty() {
            write!(formatter, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Turns a bare errno of the system floor into an [`Error`] that knows its call.
pub trait Named<T> {
    /// Names the system call.
    ///
    /// # Errors
    /// The errno, with its call.
    fn called(self, syscall: &'static str) -> Result<T>;
}

impl<T> Named<T> for std::result::Result<T, Errno> {
    fn called(self, syscall: &'static str) -> Result<T> {
        self.map_err(|errno| Error::system(syscall, errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_errno_survives_the_trip() {
        assert_eq!(Errno::from_raw(4095).raw(), 4095);
        assert_eq!(Errno::from_raw(4095).name(), "E4095");
    }

    #[test]
    fn a_message_names_call_subject_and_cause() {
        let error = Error::system("shm_open", Errno::EEXIST).on(Subject::Name("/frames".into()));
        assert_eq!(error.to_string(), "EEXIST: file exists, shm_open '/frames'");
        let error = Error::system("shmget", Errno::ENOENT).on(Subject::Key(-1));
        assert_eq!(error.to_string(), "ENOENT: no such file or directory, shmget key 0xffffffff");
        let error = Error::own("ERR_SHM_TYPE_MISMATCH", "it is a mutex, not a ring");
        assert_eq!(error.to_string(), "it is a mutex, not a ring");
        assert_eq!(error.on(Subject::Name("book".into())).to_string(), "'book': it is a mutex, not a ring");
    }
}
