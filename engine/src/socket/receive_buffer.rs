//! Room for the bytes of one connection: filled at its end, taken from its front.
//!
//! Its memory is set to zero once, when it is made. Filling writes over what was taken long ago, so
//! that no read pays for clearing anything. It must not know sockets or what the bytes mean.

/// Bytes that wait, in one piece, with room behind them.
#[derive(Debug)]
pub struct ReceiveBuffer {
    bytes: Box<[u8]>,
    /// The first byte that waits.
    start: usize,
    /// Behind the last one.
    end: usize,
}

impl ReceiveBuffer {
    /// Room for so many bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> ReceiveBuffer {
        ReceiveBuffer { bytes: vec![0; capacity].into_boxed_slice(), start: 0, end: 0 }
    }

    /// All the room there is.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// What waits.
    #[must_use]
    #[inline]
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// What waits, to be changed in place.
    #[must_use]
    #[inline]
    pub fn waiting_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Takes the first `count` bytes; they stay where they are until the next use of the buffer.
    ///
    /// # Panics
    /// If fewer wait.
    #[inline]
    pub fn take(&mut self, count: usize) -> &[u8] {
        let taken = self.start..self.start + count;
        assert!(
            taken.end <= self.end,
            "{count} bytes were asked for, {} wait",
            self.end - self.start
        );
        self.start = taken.end;
        &self.bytes[taken]
    }

    /// The room behind what waits. What waits is moved to the front first.
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

    /// The first `count` bytes of [`spare`](ReceiveBuffer::spare) have been written and wait now.
    ///
    /// # Panics
    /// If that is more than there is room for.
    #[inline]
    pub fn filled(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "{count} bytes do not fit");
        self.end += count;
    }

    /// Appends `bytes`, with more room where there is too little.
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
