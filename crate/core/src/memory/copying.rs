//! Bytes of a segment, copied in and out: what a Rust program needs no `unsafe` for.

#![expect(unsafe_code, reason = "slices are handed on as addresses")]

use super::options::Access;
use super::segment::Segment;
use crate::error::{Error, Result};

impl Segment {
    /// Copies bytes from `offset` on to `target`. What others write meanwhile may be half in the copy: a lock, or a structure, keeps them apart. Bytes that
    /// are gone, since somebody truncated the object, are 0: see [`Mapping::faults`](super::Mapping::faults).
    ///
    /// ```
    /// use shmem_core::memory::{CreateOptions, memfd};
    ///
    /// let segment = memfd::create("greeting", &CreateOptions::new(4096), 0)?;
    /// segment.write(100, b"hello")?;
    /// let mut copy = [0; 5];
    /// segment.read(100, &mut copy)?;
    /// assert_eq!(&copy, b"hello");
    /// assert_eq!(segment.read(4094, &mut copy).unwrap_err().code(), "ERR_OUT_OF_RANGE");
    /// # Ok::<(), shmem_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn read(&self, offset: u64, target: &mut [u8]) -> Result<()> {
        // SAFETY: a slice that is borrowed to be written.
        let copied = unsafe { self.mapping.copy_out(offset, target.as_mut_ptr(), target.len()) };
        copied.map_err(|error| error.or_on(|| self.subject()))
    }

    /// Copies `source` to `offset`.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_READ_ONLY`.
    pub fn write(&self, offset: u64, source: &[u8]) -> Result<()> {
        if self.access == Access::Read {
            let error = Error::own("ERR_SHM_READ_ONLY", "the segment is mapped for reading only");
            return Err(error.on(self.subject()));
        }
        // SAFETY: a slice that is borrowed to be read.
        let copied = unsafe { self.mapping.copy_in(offset, source.as_ptr(), source.len()) };
        copied.map_err(|error| error.or_on(|| self.subject()))
    }
}

#[cfg(test)]
mod tests {
    use crate::memory::{Access, CreateOptions, MapOptions, OpenMode, posix};

    #[test]
    fn a_segment_that_is_mapped_for_reading_refuses_to_be_written() {
        let name = format!("/shmem-core-test-copying-{}", std::process::id());
        let made = posix::create(&name, &CreateOptions::new(8), OpenMode::Create).unwrap();
        let only = posix::open(&name, &MapOptions { access: Access::Read, ..MapOptions::default() }).unwrap();
        posix::remove(&name).unwrap();
        made.write(0, &[7; 8]).unwrap();
        let mut copy = [0; 8];
        only.read(0, &mut copy).unwrap();
        assert_eq!(copy, [7; 8]);
        assert_eq!(only.write(0, &copy).unwrap_err().code(), "ERR_SHM_READ_ONLY");
        assert_eq!(only.read(4, &mut copy).unwrap_err().code(), "ERR_OUT_OF_RANGE");
    }
}
