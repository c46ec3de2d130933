//! Writes the captures of the folder `samples/`: `make_samples [FOLDER]`. The same bytes every time.

mod sample;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let here = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../samples"));
    let folder = std::env::args_os().nth(1).map_or_else(here, PathBuf::from);
    for (name, capture) in sample::captures() {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("capture.scap"), &capture)?;
        println!("{name}: {} bytes", capture.len());
    }
    Ok(())
}
