//! Looking into an archive before it is parsed.

use std::io::{Cursor, Read};

use zip::ZipArchive;

/// The most files in an archive.
const MOST_FILES: usize = 10_000;
/// The most bytes that an archive may unpack to.
const MOST_UNPACKED: u64 = 512 << 20;
/// How many times its size a file may unpack to, beyond the first megabyte. Text shrinks to a twentieth, a large table
/// to a hundredth, and a bomb to a thousandth.
const MOST_RATIO: u64 = 200;
const ALWAYS: u64 = 1 << 20;

/// Refuses archives that unpack to more than anybody reads, and XML that declares entities: these may grow without
/// bound, or name files. Sizes are counted, not believed.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let damaged = |error: &dyn std::fmt::Display| format!("the document is a damaged or encrypted archive: {error}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    if archive.len() > MOST_FILES {
        return Err(format!(
            "the document is an archive of {} files, more than {MOST_FILES}",
            archive.len()
        ));
    }
    let mut left = MOST_UNPACKED;
    for number in 0..archive.len() {
        let mut file = archive.by_index(number).map_err(|error| damaged(&error))?;
        let most = (file.compressed_size().saturating_mul(MOST_RATIO))
            .max(ALWAYS)
            .min(left);
        let name = file.name().map_or_else(|_| String::new(), std::borrow::Cow::into_owned);
        let mut scan = Scan::default();
        let mut buffer = vec![0; 64 << 10];
        let mut unpacked = 0;
        loop {
            let read = file.read(&mut buffer).map_err(|error| damaged(&error))?;
            if read == 0 {
                break;
            }
            unpacked += read as u64;
            if unpacked > most {
                return Err(format!(
                    "the document is an archive that unpacks to too much: `{name}` in it has more than {most} bytes"
                ));
            }
            if scan.finds_entity(&buffer[..read]) {
                return Err(format!(
                    "`{name}` in the document declares XML entities, which are refused"
                ));
            }
        }
        left -= unpacked;
    }
    Ok(())
}

/// Looks for the declaration of an entity in what begins like XML. UTF-16 has a NUL beside each of its letters.
#[derive(Default)]
struct Scan {
    is_xml: Option<bool>,
    /// The end of what was read before.
    end: Vec<u8>,
}

impl Scan {
    const ENTITY: &'static [u8] = b"<!ENTITY";

    fn finds_entity(&mut self, bytes: &[u8]) -> bool {
        let mut text = std::mem::take(&mut self.end);
        text.extend(bytes.iter().filter(|byte| **byte != 0));
        let is_xml = self.is_xml.get_or_insert_with(|| {
            let first = text.iter().find(|byte| byte.is_ascii_graphic());
            first == Some(&b'<')
        });
        if !*is_xml {
            return false;
        }
        let found = text.windows(Self::ENTITY.len()).any(|part| part == Self::ENTITY);
        self.end = text.split_off(text.len().saturating_sub(Self::ENTITY.len() - 1));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_bomb_is_refused_whatever_its_header_says() {
        let bomb = archive(&[("word/document.xml", &vec![b' '; 20 << 20])]);
        assert!(bomb.len() < 100_000);
        assert!(check(&bomb).unwrap_err().contains("unpacks to too much"));
        let mut lying = bomb;
        let declared = (20_u32 << 20).to_le_bytes();
        for at in 0..lying.len() - 4 {
            if lying[at..at + 4] == declared {
                lying[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
            }
        }
        check(&lying).unwrap_err();
        assert_eq!(check(&archive(&[("a", &vec![b' '; 1 << 20])])), Ok(()));
    }

    #[test]
    fn entities_are_refused_in_every_encoding() {
        let xml = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>";
        let wide: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(xml.encode_utf16())
            .flat_map(u16::to_be_bytes)
            .collect();
        // where two reads meet
        let late = format!("<a>{}{xml}", " ".repeat((64 << 10) - 40));
        for content in [xml.as_bytes(), &wide, late.as_bytes()] {
            assert!(check(&archive(&[("a.xml", content)])).unwrap_err().contains("entities"));
        }
        assert_eq!(check(&archive(&[("a.txt", b"how to write <!ENTITY b>")])), Ok(()));
        assert_eq!(check(&archive(&[("a.xml", b"<!DOCTYPE html><html/>")])), Ok(()));
    }
}
