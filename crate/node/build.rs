//! Build script of the binding: Node-API symbols, and an image that is never unloaded.

fn main() {
    napi_build::setup();
    // A SharedArrayBuffer's finalizer and the fault handler may run after the last environment
    // that loaded the addon is gone. Were the image unloaded, both would jump into nothing.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
