//! AWS's event streams: messages with typed headers, a payload, and two checksums.
//! Protocol: smithy.io/2.0/aws/amazon-eventstream.html

use serde_json::Value;

/// An event of this type with a JSON payload.
pub fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    let mut written = Vec::new();
    for (name, value) in headers {
        let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        written.push(short(name.len())[1]);
        written.extend_from_slice(name.as_bytes());
        // A string.
        written.push(7);
        written.extend_from_slice(&short(value.len()));
        written.extend_from_slice(value.as_bytes());
    }
    message(&written, payload.to_string().as_bytes())
}

fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    // The two lengths and their checksum, and the checksum of all.
    const AROUND: usize = 16;
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = Vec::new();
    out.extend_from_slice(&length(AROUND + headers.len() + payload.len()));
    out.extend_from_slice(&length(headers.len()));
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out
}

/// The checksum of IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    let all = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    });
    !all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value that every description of this checksum gives.
    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    /// The specification's example of a message without headers and payload.
    #[test]
    fn an_empty_message_is_as_specified() {
        let expected = [
            0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff,
        ];
        assert_eq!(message(b"", b""), expected);
    }
}
