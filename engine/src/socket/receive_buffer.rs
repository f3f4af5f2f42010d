//! The receive buffer of one connection: filled at its end, consumed at its front.
//!
//! Its memory is zeroed once, when it is created. Later reads overwrite bytes that were already
//! consumed, so no read pays for clearing memory.

/// Unread bytes in one contiguous piece, with free space after them.
#[derive(Debug)]
pub struct ReceiveBuffer {
    bytes: Box<[u8]>,
    /// Index of the first unread byte.
    start: usize,
    /// Index after the last unread byte.
    end: usize,
}

impl ReceiveBuffer {
    /// Creates an empty buffer of this capacity, bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> ReceiveBuffer {
        ReceiveBuffer { bytes: vec![0; capacity].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Returns the total capacity, bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the unread bytes.
    #[must_use]
    #[inline]
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Returns the unread bytes, mutable so that they can be changed in place.
    #[must_use]
    #[inline]
    pub fn waiting_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Consumes the first `count` bytes. They stay in place until the buffer is used again.
    ///
    /// # Panics
    /// If there are fewer than `count` unread bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> &[u8] {
        let taken = self.start..self.start + count;
        assert!(
            taken.end <= self.end,
            "{count} bytes were requested, {} are available",
            self.end - self.start
        );
        self.start = taken.end;
        &self.bytes[taken]
    }

    /// Returns the free space after the unread bytes, which are first moved to the front.
    #[must_use]
    #[inline]
    pub fn spare(&mut self) -> &mut [u8] {
        if 0 < self.start {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// Marks the first `count` bytes of [`spare`](ReceiveBuffer::spare) as written and unread.
    ///
    /// # Panics
    /// If `count` exceeds the free space.
    #[inline]
    pub fn filled(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "{count} bytes do not fit");
        self.end += count;
    }

    /// Appends `bytes` and grows the buffer if there is too little space.
    pub fn append(&mut self, bytes: &[u8]) {
        if self.spare().len() < bytes.len() {
            let mut grown = vec![0; (self.end + bytes.len()).max(2 * self.bytes.len())];
            grown[..self.end].copy_from_slice(&self.bytes[..self.end]);
            self.bytes = grown.into_boxed_slice();
        }
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_out_in_order_however_it_was_filled_and_taken() {
        let mut buffer = ReceiveBuffer::with_capacity(10);
        let (mut next_in, mut next_out) = (0, 0);
        for round in 0..100 {
            let count = (round % 7).min(buffer.spare().len());
            for byte in &mut buffer.spare()[..count] {
                *byte = next_in;
                next_in = next_in.wrapping_add(1);
            }
            buffer.filled(count);
            let taken = (round % 5).min(buffer.waiting().len());
            for byte in buffer.take(taken) {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
        }
        assert!(100 < next_out);
    }

    #[test]
    fn what_is_appended_has_room() {
        let mut buffer = ReceiveBuffer::with_capacity(4);
        buffer.append(b"abc");
        assert_eq!(buffer.take(2), b"ab");
        buffer.append(b"def");
        assert_eq!(buffer.capacity(), 4);
        buffer.append(b"ghijk");
        assert_eq!(buffer.waiting(), b"cdefghijk");
    }
}
