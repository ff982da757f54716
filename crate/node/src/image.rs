//! What this image is, for the facade that loads it.

use napi_derive::napi;

/// The version of the package that the image was built for: the facade takes no other.
#[napi(catch_unwind)]
#[must_use]
pub fn image_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
