//! Reads numbers and texts of a GGUF header, each within its limits.

use std::io::{self, ErrorKind, Read};

/// Largest text that is kept; longer ones are skipped.
const MAX_TEXT: u64 = 1 << 16;
/// Most integers of an array that are kept; longer arrays are skipped.
const MAX_INTEGERS: u64 = 8;
/// Arrays in arrays that are read.
const MAX_NESTING: u32 = 4;
/// Most bytes of a header: the largest hold a tokenizer of a few megabytes.
const MAX_HEADER: u64 = 1 << 28;

/// A value that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// A short list of whole numbers.
    Integers(Vec<i64>),
    /// Anything else; it was skipped.
    Skipped,
}

/// A header that is read from its start to its end.
pub(super) struct HeaderReader<R> {
    source: R,
    position: u64,
}

impl<R: Read> HeaderReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, position: 0 }
    }

    /// Number of bytes that were read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn advance(&mut self, bytes: u64) -> io::Result<()> {
        self.position = self.position.saturating_add(bytes);
        if self.position > MAX_HEADER {
            return Err(invalid(format!("the header has more than {MAX_HEADER} bytes")));
        }
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.advance(bytes)?;
        match io::copy(&mut self.source.by_ref().take(bytes), &mut io::sink())? {
            skipped if skipped == bytes => Ok(()),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A name: a text of at most `max` bytes.
    pub(super) fn name(&mut self, max: u64) -> io::Result<String> {
        let length = self.u64()?;
        if length > max {
            return Err(invalid(format!("a name has {length} bytes; the limit is {max}")));
        }
        self.text(length)
    }

    fn text(&mut self, length: u64) -> io::Result<String> {
        self.advance(length)?;
        let mut bytes = vec![0; length as usize];
        self.source.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// The value of a key.
    pub(super) fn value(&mut self) -> io::Result<Value> {
        let kind = self.u32()?;
        match kind {
            8 => {
                let length = self.u64()?;
                if length > MAX_TEXT {
                    return self.skip(length).map(|()| Value::Skipped);
                }
                self.text(length).map(Value::Text)
            }
            9 => {
                let (kind, count) = (self.u32()?, self.u64()?);
                if count <= MAX_INTEGERS && is_integer(kind) {
                    let numbers = (0..count).map(|_| self.integer(kind));
                    return numbers.collect::<io::Result<_>>().map(Value::Integers);
                }
                self.skip_array(kind, count, 1).map(|()| Value::Skipped)
            }
            kind if is_integer(kind) => self.integer(kind).map(Value::Integer),
            kind => self.skip(size(kind)?).map(|()| Value::Skipped),
        }
    }

    /// A value that is a list of at most `most` entries, each read by `entry`, which gets their type.
    pub(super) fn list<T>(
        &mut self,
        most: u64,
        entry: impl Fn(&mut Self, u32) -> io::Result<T>,
    ) -> io::Result<Vec<T>> {
        let value = self.u32()?;
        if value != 9 {
            return Err(invalid(format!("a value of type {value} where a list should be")));
        }
        let (kind, count) = (self.u32()?, self.u64()?);
        if count > most {
            return Err(invalid(format!("a list of {count} entries; the limit is {most}")));
        }
        (0..count).map(|_| entry(self, kind)).collect()
    }

    /// A whole number of the type `kind`.
    pub(super) fn integer(&mut self, kind: u32) -> io::Result<i64> {
        Ok(match kind {
            0 => i64::from(u8::from_le_bytes(self.bytes()?)),
            1 => i64::from(i8::from_le_bytes(self.bytes()?)),
            2 => i64::from(u16::from_le_bytes(self.bytes()?)),
            3 => i64::from(i16::from_le_bytes(self.bytes()?)),
            4 => i64::from(self.u32()?),
            5 => i64::from(i32::from_le_bytes(self.bytes()?)),
            10 => {
                i64::try_from(self.u64()?).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?
            }
            11 => i64::from_le_bytes(self.bytes()?),
            _ => return Err(invalid(format!("{kind} is not the type of a whole number"))),
        })
    }

    fn skip_array(&mut self, kind: u32, count: u64, depth: u32) -> io::Result<()> {
        match kind {
            8 => {
                for _ in 0..count {
                    let length = self.u64()?;
                    self.skip(length)?;
                }
                Ok(())
            }
            9 => {
                if depth >= MAX_NESTING {
                    return Err(invalid("its lists are nested too deeply".to_owned()));
                }
                for _ in 0..count {
                    let (kind, count) = (self.u32()?, self.u64()?);
                    self.skip_array(kind, count, depth + 1)?;
                }
                Ok(())
            }
            kind => self.skip(size(kind)?.saturating_mul(count)),
        }
    }
}

fn is_integer(kind: u32) -> bool {
    matches!(kind, 0..=5 | 10 | 11)
}

/// Size of a value that is neither text nor list.
fn size(kind: u32) -> io::Result<u64> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(invalid(format!("{kind} is not a valid type of a value"))),
    }
}

pub(super) fn invalid(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
