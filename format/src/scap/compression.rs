//! Compression around a capture, found by its first bytes.

use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder;

/// Bytes read from the compressed input at once.
const INPUT_BUFFER: usize = 64 << 10;
/// Bytes inflated at once on the other thread.
const BLOCK: usize = 256 << 10;
/// Blocks inflated ahead of the reader.
const BLOCKS_AHEAD: usize = 8;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// How a capture is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of one or several members.
    Gzip,
    /// zstd frames.
    Zstd,
    /// LZ4 frames.
    Lz4,
}

/// The bytes that were looked at, and the rest.
type Whole = io::Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;
type Source = BufReader<Watched>;

/// The compressed bytes; knows how reading them went, which the decoders do not tell.
struct Watched {
    whole: Whole,
    /// Whether more was asked for than there is.
    exhausted: bool,
    /// Whether reading failed.
    failed: bool,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.whole.read(buffer);
        match &result {
            Ok(count) => self.exhausted |= *count == 0 && !buffer.is_empty(),
            Err(error) => self.failed |= error.kind() != io::ErrorKind::Interrupted,
        }
        result
    }
}

impl Watched {
    /// An error of a decoder over these bytes. Some decoders report damage as an error of kind "other".
    fn explain(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::Other if !self.failed => io::Error::new(io::ErrorKind::InvalidData, error),
            _ => error,
        }
    }
}

/// The uncompressed bytes of a capture, whatever its compression. The input need not be seekable.
pub struct Input {
    compression: Compression,
    decoder: Decoder,
}

enum Decoder {
    Plain(Whole),
    Gzip(Box<Members>),
    Zstd(zstd::stream::read::Decoder<'static, Source>),
    Lz4(Box<Frames>),
    Beside(Beside),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("compression", &self.compression).finish_non_exhaustive()
    }
}

impl Input {
    /// Looks at the first bytes of `input` and sets up what decompresses it.
    ///
    /// # Errors
    /// When the first bytes cannot be read.
    pub fn open(input: impl Read + Send + 'static) -> io::Result<Self> {
        let mut input: Box<dyn Read + Send> = Box::new(input);
        let mut first = Vec::with_capacity(ZSTD.len());
        input.by_ref().take(ZSTD.len() as u64).read_to_end(&mut first)?;
        let compression = if first.starts_with(&GZIP) {
            Compression::Gzip
        } else if first == ZSTD {
            Compression::Zstd
        } else if first == LZ4 {
            Compression::Lz4
        } else {
            Compression::None
        };
        let whole = Cursor::new(first).chain(input);
        let buffered =
            |whole| BufReader::with_capacity(INPUT_BUFFER, Watched { whole, exhausted: false, failed: false });
        let decoder = match compression {
            Compression::None => Decoder::Plain(whole),
            Compression::Gzip => Decoder::Gzip(Box::new(Members::new(buffered(whole)))),
            Compression::Zstd => Decoder::Zstd(zstd::stream::read::Decoder::with_buffer(buffered(whole))?),
            Compression::Lz4 => Decoder::Lz4(Box::new(Frames::new(buffered(whole)))),
        };
        Ok(Input { compression, decoder })
    }

    /// How the capture is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Moves decompression to a thread of its own, so that it runs beside the rest. An uncompressed input stays as it is:
    /// there is nothing to win.
    ///
    /// The thread ends when the input ends or this is dropped; memory ahead of the reader is bounded.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn beside(self) -> io::Result<Self> {
        match self {
            Input { decoder: Decoder::Plain(_) | Decoder::Beside(_), .. } => Ok(self),
            Input { compression, .. } => Ok(Input { compression, decoder: Decoder::Beside(Beside::start(self)?) }),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.decoder {
            Decoder::Plain(whole) => whole.read(buffer),
            Decoder::Gzip(members) => members.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer).map_err(|error| decoder.get_ref().get_ref().explain(error)),
            Decoder::Lz4(frames) => frames.read(buffer),
            Decoder::Beside(beside) => beside.read(buffer),
        }
    }
}

/// The members of a gzip input, one after the other. Other bytes behind a member are ignored, as zlib does.
struct Members {
    member: Option<GzDecoder<Source>>,
    first: bool,
}

impl Members {
    fn new(source: Source) -> Self {
        Members { member: Some(GzDecoder::new(source)), first: true }
    }
}

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(mut member) = self.member.take() {
            match member.read(buffer) {
                Ok(0) => {
                    let mut source = member.into_inner();
                    if source.fill_buf()?.first() == Some(&GZIP[0]) {
                        self.member = Some(GzDecoder::new(source));
                        self.first = false;
                    }
                }
                // No header, so no member.
                Err(error)
                    if !self.first && member.header().is_none() && error.kind() == io::ErrorKind::InvalidInput => {}
                result => {
                    self.member = Some(member);
                    return result;
                }
            }
        }
        Ok(0)
    }
}

/// The frames of an LZ4 input, one after the other. The decoder ends at the end of a frame, and takes the end of the input
/// before a block for one too.
struct Frames {
    decoder: FrameDecoder<Source>,
}

impl Frames {
    fn new(source: Source) -> Self {
        Frames { decoder: FrameDecoder::new(source) }
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let result = self.decoder.read(buffer);
            let source = self.decoder.get_mut();
            let count = result.map_err(|error| source.get_ref().explain(error))?;
            if count > 0 {
                return Ok(count);
            }
            if source.get_ref().exhausted {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the LZ4 frame does not end"));
            }
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
        }
    }
}

/// Where a capture goes, compressed or not.
#[non_exhaustive]
pub enum Output<W: Write> {
    /// As it is.
    Plain(W),
    /// As one gzip member, which libscap reads too.
    Gzip(flate2::write::GzEncoder<W>),
    /// As one zstd frame.
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> fmt::Debug for Output<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Output::Plain(_) => "Output::Plain",
            Output::Gzip(_) => "Output::Gzip",
            Output::Zstd(_) => "Output::Zstd",
        })
    }
}

impl<W: Write> Output<W> {
    /// gzip at its usual level.
    pub fn gzip(output: W) -> Self {
        Output::gzip_at(output, None)
    }

    /// gzip at a level from 1 to 9.
    pub fn gzip_at(output: W, level: Option<i32>) -> Self {
        let level = level.map_or_else(flate2::Compression::default, |level| {
            flate2::Compression::new(u32::try_from(level).unwrap_or(0).clamp(1, 9))
        });
        Output::Gzip(flate2::write::GzEncoder::new(output, level))
    }

    /// zstd at its usual level, with a checksum.
    ///
    /// # Errors
    /// When the compressor cannot be set up.
    pub fn zstd(output: W) -> io::Result<Self> {
        Output::zstd_at(output, None)
    }

    /// zstd at a level from 1 to 19, with a checksum.
    ///
    /// # Errors
    /// When the compressor cannot be set up.
    pub fn zstd_at(output: W, level: Option<i32>) -> io::Result<Self> {
        let mut encoder = zstd::stream::write::Encoder::new(output, level.map_or(0, |level| level.clamp(1, 19)))?;
        encoder.include_checksum(true)?;
        Ok(Output::Zstd(encoder))
    }

    /// Ends the compressed stream and gives the output back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Output::Plain(output) => Ok(output),
            Output::Gzip(encoder) => encoder.finish(),
            Output::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Plain(output) => output.write(bytes),
            Output::Gzip(encoder) => encoder.write(bytes),
            Output::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Plain(output) => output.flush(),
            Output::Gzip(encoder) => encoder.flush(),
            Output::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// A decompressor on another thread, with a bounded number of buffers going round.
struct Beside {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    block: Vec<u8>,
    used: usize,
    ended: bool,
}

impl Beside {
    fn start(input: Input) -> io::Result<Self> {
        let (send_full, full) = bounded(BLOCKS_AHEAD);
        let (empty, take_empty) = bounded(BLOCKS_AHEAD + 2);
        thread::Builder::new().name("inflate".into()).spawn(move || inflate(input, &send_full, &take_empty))?;
        Ok(Beside { full, empty, block: Vec::new(), used: 0, ended: false })
    }
}

/// Sends the whole of `input` in blocks, then an empty block, or an error.
fn inflate(mut input: Input, full: &Sender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut block = empty.try_recv().unwrap_or_default();
        block.resize(BLOCK, 0);
        let mut have = 0;
        let mut failure = None;
        while have < block.len() {
            match input.read(&mut block[have..]) {
                Ok(0) => break,
                Ok(count) => have += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let last = have < block.len();
        block.truncate(have);
        // The reader has gone if it cannot be sent.
        if have > 0 && full.send(Ok(block)).is_err() {
            return;
        }
        if last {
            let _ = full.send(failure.map_or(Ok(Vec::new()), Err));
            return;
        }
    }
}

impl Read for Beside {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.block.len() {
            if self.ended {
                return Ok(0);
            }
            let block = self.full.recv().map_err(|_| io::Error::other("the inflating thread died")).flatten();
            let block = match block {
                Ok(block) if !block.is_empty() => block,
                end => {
                    self.ended = true;
                    return end.map(|_| 0);
                }
            };
            // There is room for every buffer that goes round.
            let _ = self.empty.try_send(std::mem::replace(&mut self.block, block));
            self.used = 0;
        }
        let rest = &self.block[self.used..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.used += count;
        Ok(count)
    }
}
