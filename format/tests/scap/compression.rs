//! gzip, zstd and LZ4 around a capture, from inputs that cannot seek.

use std::io::{self, Cursor, Read, Write};

use falco_replay_format::scap::{Compression, Damage, Input, Output, open};

use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};

use crate::builder::{capture, close};
use crate::outcome::read;

/// Gives one byte, then two, then three …, as a pipe may.
struct Pipe {
    bytes: Cursor<Vec<u8>>,
    step: usize,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.step = self.step % 977 + 1;
        let most = buffer.len().min(self.step);
        self.bytes.read(&mut buffer[..most])
    }
}

fn pipe(bytes: &[u8]) -> Pipe {
    Pipe { bytes: Cursor::new(bytes.to_vec()), step: 0 }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut output = Output::gzip(Vec::new());
    output.write_all(bytes).unwrap();
    output.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut output = Output::zstd(Vec::new()).unwrap();
    output.write_all(bytes).unwrap();
    output.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut frame = FrameInfo::new();
    frame.block_size = BlockSize::Max64KB;
    frame.content_checksum = true;
    let mut output = FrameEncoder::with_frame_info(frame, Vec::new());
    output.write_all(bytes).unwrap();
    output.finish().unwrap()
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

type Compress = fn(&[u8]) -> Vec<u8>;
const ALL: [(Compression, Compress); 4] =
    [(Compression::None, plain), (Compression::Gzip, gzip), (Compression::Zstd, zstd), (Compression::Lz4, lz4)];

fn events(count: i64) -> Vec<u8> {
    capture(&(0..count).map(|tid| close(tid).block()).collect::<Vec<_>>())
}

#[test]
fn every_compression_is_found_and_undone_beside_or_not() {
    let bytes = events(20_000);
    for (compression, compress) in ALL {
        let compressed = compress(&bytes);
        for beside in [false, true] {
            let input = Input::open(pipe(&compressed)).unwrap();
            assert_eq!(input.compression(), compression);
            let input = if beside { input.beside().unwrap() } else { input };
            assert_eq!(input.compression(), compression);
            assert_eq!(read(input).single().rows.len(), 20_000, "{compression:?}");
        }
        let reader = open(Cursor::new(compressed)).unwrap();
        assert_eq!(reader.input().compression(), compression);
    }
}

#[test]
fn several_members_or_frames_are_one_stream() {
    let bytes = events(1000);
    for (compression, compress) in ALL {
        // Cut within an event, and an empty member between.
        let parts = [&bytes[..12_345], &[], &bytes[12_345..]];
        let joined: Vec<u8> = parts.iter().flat_map(|part| compress(part)).collect();
        let input = Input::open(pipe(&joined)).unwrap();
        assert_eq!(read(input).single().rows.len(), 1000, "{compression:?}");
    }
    // Thousands of members take neither stack nor long.
    let members: Vec<u8> = bytes.chunks(7).flat_map(gzip).collect();
    assert_eq!(read(Input::open(Cursor::new(members)).unwrap()).single().rows.len(), 1000);
}

#[test]
fn concatenated_compressed_captures_are_sections() {
    let bytes = events(10);
    for (compression, compress) in ALL {
        let twice = [compress(&bytes), compress(&bytes)].concat();
        let outcome = read(Input::open(Cursor::new(twice)).unwrap());
        assert_eq!(outcome.sections.len(), 2, "{compression:?}");
        assert!(outcome.error.is_none());
    }
}

#[test]
fn other_bytes_behind_a_gzip_member_are_ignored_as_zlib_does() {
    let bytes = events(10);
    for tail in [&b"garbage"[..], &[0; 512], &[0x1f, 0x8c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
        let input = Input::open(Cursor::new([gzip(&bytes), tail.to_vec()].concat())).unwrap();
        assert_eq!(read(input).single().rows.len(), 10);
    }
}

#[test]
fn truncated_compressed_captures_give_what_is_there_and_an_error() {
    let bytes = events(50_000);
    for (compression, compress) in ALL {
        let compressed = compress(&bytes);
        for beside in [false, true] {
            let input = Input::open(Cursor::new(compressed[..compressed.len() / 2].to_vec())).unwrap();
            let input = if beside { input.beside().unwrap() } else { input };
            let outcome = read(input);
            let error = outcome.error.as_ref().unwrap();
            assert_eq!(error.damage(), Damage::Truncated, "{compression:?}: {error}");
            let count = outcome.rows().count();
            assert!(count > 1000 && count < 50_000, "{compression:?}: {count}");
            assert!(outcome.rows().enumerate().all(|(at, row)| row.tid == at as i64));
        }
    }
}

#[test]
fn compressed_captures_cut_anywhere_are_truncated() {
    let bytes = events(3000);
    for (compression, compress) in &ALL[1..] {
        let compressed = compress(&bytes);
        let ends = (0..60).map(|back| compressed.len() - 1 - back).chain((30..compressed.len()).step_by(97));
        for end in ends {
            let outcome = read(Input::open(Cursor::new(compressed[..end].to_vec())).unwrap());
            let error = outcome.error.unwrap_or_else(|| panic!("{compression:?} cut at {end}: no error"));
            assert_eq!(error.damage(), Damage::Truncated, "{compression:?} cut at {end}: {error}");
        }
    }
}

#[test]
fn corrupt_compressed_captures_are_errors() {
    let bytes = events(50_000);
    for (compression, compress) in &ALL[1..] {
        let mut compressed = compress(&bytes);
        let middle = compressed.len() / 2;
        compressed[middle..].iter_mut().take(200).for_each(|byte| *byte ^= 0x55);
        let outcome = read(Input::open(Cursor::new(compressed)).unwrap());
        // Damaged compressed bytes may also decode to something else, of which then the capture's own checks complain.
        let error = outcome.error.as_ref().unwrap_or_else(|| panic!("{compression:?}: no error"));
        assert_ne!(error.damage(), Damage::Input, "{compression:?}: {error}");
    }
}

#[test]
fn a_reader_dropped_early_does_not_wait_for_the_input() {
    /// Never ends.
    struct Endless;
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0);
            Ok(buffer.len())
        }
    }
    let start = gzip(&events(10));
    drop(Input::open(Cursor::new(start).chain(Endless)).unwrap().beside().unwrap());
}
