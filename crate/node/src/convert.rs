//! Numbers between JavaScript and Rust. The facade has validated them; a number that could hurt is refused again here.

use napi::{Error, Result, Status};

/// A whole number from 0 to 2^53 - 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole, positive and exact"
)]
pub(crate) fn whole(value: f64) -> Result<u64> {
    if (0.0..=9_007_199_254_740_991.0).contains(&value) && value.fract() == 0.0 {
        Ok(value as u64)
    } else {
        Err(Error::new(Status::InvalidArg, format!("expected a whole number of bytes, got {value}")))
    }
}

/// An unsigned number as JavaScript has it; exact to 2^53.
#[expect(clippy::cast_precision_loss, reason = "sizes and counts of the kernel are far below 2^53")]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}

/// As [`number`], for sizes of this address space.
pub(crate) fn size(value: usize) -> f64 {
    number(u64::try_from(value).unwrap_or(u64::MAX))
}

/// As [`number`], for times in seconds.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
pub(crate) fn seconds(value: i64) -> f64 {
    value as f64
}
