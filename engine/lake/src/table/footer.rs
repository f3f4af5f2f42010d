//! The column orders in the footer of a Parquet file.
//!
//! A footer states for each column in which order its least and greatest value were found, and a
//! reader may ignore both where it does not know the order. For floating-point columns the Parquet
//! library states the order of IEEE 754 (`ColumnOrder`, field 2). Arrow's C++ library 26, and so
//! pyarrow, does not know it: to it, prices had no statistics, and no filter on a price skipped
//! anything. It knows the order of the type (field 1). Both orders are the same for the numbers of
//! a lake. They differ in two points, and what the library writes is right by either: if both zeros
//! occur the least is the negative one, and NaN is the least and greatest value only of a column
//! of NaN, and then readers ignore it.
//!
//! The library has no setting for this, so the footer is changed after the library has written it
//! and before it goes to the file. Column orders are its last field, with one element of fixed
//! size per column, so they are found from its end. Nothing is moved.

/// What follows the footer: its length, u32 little-endian, and the magic.
const TRAILER_BYTES: usize = 8;
/// End of a struct in Thrift's compact protocol.
const STOP: u8 = 0;
/// Field 1 of a struct, itself a struct: the order of the column's type.
const BY_TYPE: u8 = 0x1C;
/// Field 2 of a struct, itself a struct: the order of IEEE 754.
const BY_IEEE_754: u8 = 0x2C;

/// States the order of the type for every column. `tail` ends with the footer of a file with this
/// many columns. Returns whether the footer was understood; otherwise nothing is changed.
pub(super) fn order_by_type(tail: &mut [u8], columns: usize) -> bool {
    let Some(end) = tail.len().checked_sub(TRAILER_BYTES) else { return false };
    let Some(orders) = end.checked_sub(1 + 3 * columns) else { return false };
    let list = list_header(columns);
    if tail[end - 1] != STOP || !tail[..orders].ends_with(&list) {
        return false;
    }
    let (orders, _) = tail[orders..end].as_chunks_mut::<3>();
    let is_known = |order: &[u8; 3]| matches!(order, [BY_TYPE | BY_IEEE_754, STOP, STOP]);
    let known = orders.iter().all(is_known);
    if known {
        orders.iter_mut().for_each(|order| order[0] = BY_TYPE);
    }
    known
}

/// Returns how a list of this many structs begins: the field, 7 after 6, then the length and the
/// type of its elements.
fn list_header(columns: usize) -> Vec<u8> {
    const NEXT_FIELD_LIST: u8 = 0x19;
    const STRUCT: u8 = 0x0C;
    match u8::try_from(columns) {
        Ok(few @ 0..15) => vec![NEXT_FIELD_LIST, (few << 4) | STRUCT],
        // A table with 128 columns or more would need a second byte.
        Ok(many @ 15..128) => vec![NEXT_FIELD_LIST, 0xF0 | STRUCT, many],
        Ok(_) | Err(_) => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the end of a footer with these column orders.
    fn tail(orders: &[u8]) -> Vec<u8> {
        let mut tail = vec![7; 5];
        tail.extend(list_header(orders.len()));
        orders.iter().for_each(|order| tail.extend([*order, STOP, STOP]));
        tail.push(STOP);
        tail.extend(*b"\x99\0\0\0PAR1");
        tail
    }

    #[test]
    fn every_order_becomes_that_of_the_type() {
        for count in [1, 3, 14, 15, 17] {
            let mut found = tail(&vec![BY_IEEE_754; count]);
            assert!(order_by_type(&mut found, count), "{count}");
            assert_eq!(found, tail(&vec![BY_TYPE; count]), "{count}");
        }
    }

    #[test]
    fn what_is_not_understood_is_left_as_it_is() {
        let good = tail(&[BY_TYPE, BY_IEEE_754]);
        for (wrong, columns) in [
            (tail(&[BY_TYPE, 0x3C]), 2),
            (good.clone(), 1),
            (good.clone(), 3),
            (good.clone(), 200),
            (good[good.len() - 9..].to_vec(), 2),
            (good[..good.len() - 1].to_vec(), 2),
            (vec![], 2),
        ] {
            let mut found = wrong.clone();
            assert!(!order_by_type(&mut found, columns), "{wrong:?}");
            assert_eq!(found, wrong);
        }
    }
}
