//! The end of each line: its serial number and its checksum.

/// What stands before the serial number.
const SERIAL: &str = ",\"serial\":";
/// What stands before the checksum.
const CRC: &str = ",\"crc\":\"";
/// Length of the checksum and what is behind it: `0123abcd"}`.
const CRC_LEN: usize = 10;

/// Appends an object of JSON as a line with a serial number and a checksum.
pub(super) fn seal(json: &str, serial: u64, out: &mut String) {
    let begin = out.len();
    out.push_str(json.strip_suffix('}').unwrap_or(json));
    out.push_str(&format!("{SERIAL}{serial}"));
    let crc = crc32c::crc32c(&out.as_bytes()[begin..]);
    out.push_str(&format!("{CRC}{crc:08x}\"}}\n"));
}

/// Checks a line, without its end, and returns its text.
pub(super) fn open(line: &[u8], serial: u64) -> Result<&str, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let end = text.rfind(CRC).filter(|end| text.len() == end + CRC.len() + CRC_LEN);
    let end = end.ok_or("it has no checksum")?;
    let digits = text[end + CRC.len()..].strip_suffix("\"}").ok_or("it has no checksum")?;
    let stated = u32::from_str_radix(digits, 16).map_err(|_| "it has no checksum".to_owned())?;
    if crc32c::crc32c(&line[..end]) != stated {
        return Err("its checksum does not fit".to_owned());
    }
    let found = text[..end].rsplit_once(SERIAL).and_then(|(_, number)| number.parse().ok());
    match found {
        Some(found) if found == serial => Ok(text),
        Some(found) => {
            let found: u64 = found;
            Err(format!("it has the serial number {found} in place of {serial}"))
        }
        None => Err("it has no serial number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_line_counts() {
        let mut line = String::new();
        seal("{\"mode\":\"PAPER\",\"ts\":1}", 7, &mut line);
        assert_eq!(line, "{\"mode\":\"PAPER\",\"ts\":1,\"serial\":7,\"crc\":\"d5e74171\"}\n");
        let line = line.trim_end().as_bytes();
        assert!(open(line, 7).is_ok());
        assert_eq!(open(line, 8).unwrap_err(), "it has the serial number 7 in place of 8");
        for place in 0..line.len() {
            for bit in 0..8 {
                let mut changed = line.to_vec();
                changed[place] ^= 1 << bit;
                // The case of a hexadecimal digit says nothing.
                let is_same = changed.eq_ignore_ascii_case(line) && line.len() - 10 <= place;
                assert!(is_same || open(&changed, 7).is_err(), "{place} {bit}");
            }
            assert!(open(&line[..place], 7).is_err(), "{place}");
        }
    }
}
