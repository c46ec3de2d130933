//! Reads a capture and says how long an event takes: `read_all FILE…`.

use std::fs::File;
use std::io::Read;

use falco_replay_format::batch::EventBatch;
use falco_replay_format::scap::{self, Item};

/// CPU time of this process, all threads, user and kernel, in seconds.
fn cpu_seconds() -> f64 {
    let mut text = String::new();
    let read = File::open("/proc/self/stat").and_then(|mut file| file.read_to_string(&mut text));
    if read.is_err() {
        return f64::NAN;
    }
    // The name in parentheses may hold blanks; user and system time are the 12th and 13th field behind it.
    let after = text.rsplit(") ").next().unwrap_or("");
    let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let before = cpu_seconds();
        let start = std::time::Instant::now();
        let mut reader = scap::open(File::open(&path)?)?;
        let mut batch = EventBatch::default();
        let (mut events, mut batches) = (0u64, 0u64);
        loop {
            match reader.next(std::mem::take(&mut batch))? {
                Item::Head(head) => println!("{path}: {} threads, {} fd lists", head.threads.len(), head.fds.len()),
                Item::Batch(filled) => {
                    events += filled.len() as u64;
                    batches += 1;
                    batch = filled;
                }
                Item::End => break,
            }
        }
        let (cpu, wall) = (cpu_seconds() - before, start.elapsed().as_secs_f64());
        println!(
            "{path}: {events} events in {batches} batches, {:.1} ns CPU and {:.1} ns wall an event",
            cpu * 1e9 / events as f64,
            wall * 1e9 / events as f64
        );
        println!("{:?}", reader.stats());
    }
    Ok(())
}
