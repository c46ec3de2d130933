//! Builds blocks of every version, sound or not. The writer knows today's versions only, and does not write nonsense.

use falco_replay_format::schema::event_info;

pub const SECTION: u32 = 0x0A0D_0D0A;
pub const MACHINE: u32 = 0x201;
pub const EVENT_V1: u32 = 0x204;
pub const EVENT_FLAGS_V1: u32 = 0x208;
pub const EVENT_V2: u32 = 0x216;
pub const EVENT_FLAGS_V2: u32 = 0x217;
pub const EVENT_LARGE: u32 = 0x221;

/// A block around `body`.
pub fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, &body, &length].concat()
}

pub fn section() -> Vec<u8> {
    section_with(1, 2, &[])
}

pub fn section_with(major: u16, minor: u16, options: &[u8]) -> Vec<u8> {
    let mut body = Bytes::default();
    body.u32(0x1A2B_3C4D).u16(major).u16(minor).u64(u64::MAX).raw(options);
    block(SECTION, &body.0)
}

/// Numbers and texts, one after the other.
#[derive(Default, Clone)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub fn text(&mut self, text: &[u8]) -> &mut Self {
        self.u16(text.len() as u16).raw(text)
    }
    /// Puts the length before all of it, counting itself.
    pub fn sized(&self) -> Vec<u8> {
        [&(self.0.len() as u32 + 4).to_le_bytes()[..], &self.0].concat()
    }
}

/// A process entry of `version`, up to and including the root directory, without a length.
pub fn process(version: u8, tid: i64) -> Bytes {
    let mut entry = Bytes::default();
    entry.i64(tid).i64(tid).i64(1);
    if version >= 6 {
        entry.i64(60);
    }
    if version >= 8 {
        entry.i64(80);
    }
    entry.text(b"comm").text(b"exe");
    if version >= 7 {
        entry.text(b"/bin/exe");
    }
    entry.text(b"a\0b\0").text(b"/cwd").i64(1024).u32(3).u32(1000).u32(1001);
    if version >= 2 {
        entry.u32(21).u32(22).u32(23).u64(24).u64(25);
    }
    if version >= 3 {
        entry.text(b"K=V\0");
    }
    if version >= 4 {
        entry.i64(41).i64(42).text(b"cpu=/x\0");
    }
    if version >= 5 {
        entry.text(b"/root");
    }
    entry
}

/// One event of any block version.
#[derive(Clone)]
pub struct Event {
    pub kind: u32,
    pub ts: u64,
    pub tid: i64,
    pub ty: u16,
    pub cpu: u16,
    pub flags: u32,
    pub params: Vec<Vec<u8>>,
    /// Added to the length that the event says.
    pub extra_length: i64,
    /// Bytes behind the parameters that the length does not count.
    pub tail: Vec<u8>,
}

impl Event {
    pub fn new(ty: u16, tid: i64, params: &[&[u8]]) -> Self {
        Event {
            kind: EVENT_V2,
            ts: 1_700_000_000_000_000_000,
            tid,
            ty,
            cpu: 1,
            flags: 0,
            params: params.iter().map(|param| param.to_vec()).collect(),
            extra_length: 0,
            tail: Vec::new(),
        }
    }

    pub fn kind(mut self, kind: u32) -> Self {
        self.kind = kind;
        self
    }

    pub fn block(&self) -> Vec<u8> {
        let counted = !matches!(self.kind, EVENT_V1 | EVENT_FLAGS_V1 | 0x8010_ABCD);
        let wide = counted && event_info(self.ty).is_some_and(|info| info.length_width() == 4);
        let mut body = Bytes::default();
        body.u16(self.cpu);
        if matches!(self.kind, EVENT_FLAGS_V1 | EVENT_FLAGS_V2 | 0x222) {
            body.u32(self.flags);
        }
        let values: usize = self.params.iter().map(Vec::len).sum();
        let length = if counted { 26 } else { 22 } + values + self.params.len() * if wide { 4 } else { 2 };
        body.u64(self.ts).i64(self.tid).u32((length as i64 + self.extra_length) as u32).u16(self.ty);
        if counted {
            body.u32(self.params.len() as u32);
        }
        for param in &self.params {
            if wide {
                body.u32(param.len() as u32);
            } else {
                body.u16(param.len() as u16);
            }
        }
        for param in &self.params {
            body.raw(param);
        }
        body.raw(&self.tail);
        block(self.kind, &body.0)
    }
}

/// A close exit of the current schema: an event that passes as it is.
pub fn close(tid: i64) -> Event {
    Event::new(5, tid, &[&0i64.to_le_bytes(), &3i64.to_le_bytes()])
}

/// A whole capture: section header, then `blocks`.
pub fn capture(blocks: &[Vec<u8>]) -> Vec<u8> {
    [section(), blocks.concat()].concat()
}
