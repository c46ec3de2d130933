//! Captures made up event by event. Nothing in them was recorded, so nothing in them is anybody's.

#![allow(clippy::expect_used, reason = "a sample that cannot be written is a defect of the generator")]

mod host;
mod recording;
mod shadow_read;
mod task;
mod web_shell;

/// Every sample's folder, and its capture.
pub fn captures() -> [(&'static str, Vec<u8>); 2] {
    [("shadow-read-in-container", shadow_read::capture()), ("web-server-shell-connects-out", web_shell::capture())]
}
