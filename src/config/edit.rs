//! Writes offsets into a configuration file without any other change: comments, order and layout stay as they are.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use toml_edit::{Document, DocumentMut, InlineTable, Item, Table, TableLike, Value};

const SECTION: &str = "thresholds";
const OWN: &str = "offsets";

/// The configuration `text` with `offset`, in nats, for all commands, and `own` for those named in it. Any other
/// entry of `[thresholds.offsets]` is taken out. Numbers that are the same already are not touched.
///
/// # Errors
/// A message that says why it cannot be done without other changes.
pub fn with_offsets(text: &str, offset: f32, own: &BTreeMap<String, f32>) -> Result<String, String> {
    let returns = text.contains('\r');
    let lines = text.replace("\r\n", "\n");
    if returns && lines.replace('\n', "\r\n") != text {
        return Err(
            "some of its lines end with a carriage return and some do not; use the same line end in all lines".into()
        );
    }
    let whole = if lines.ends_with('\n') || lines.is_empty() { lines.clone() } else { lines + "\n" };
    let kept = without_stale(&whole, own)?;
    let mut document = parsed(&kept)?;
    write(&mut document, offset, own)?;
    let edited = document.to_string();
    if edited == whole {
        return Ok(text.into());
    }
    Ok(if returns { edited.replace('\n', "\r\n") } else { edited })
}

/// Parses the document and checks that it is written out exactly as it was read.
fn parsed(text: &str) -> Result<DocumentMut, String> {
    let document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.message().to_string())?;
    if document.to_string() != text {
        return Err("the order of its dotted keys would change; use sections in brackets instead".into());
    }
    Ok(document)
}

fn write(document: &mut DocumentMut, offset: f32, own: &BTreeMap<String, f32>) -> Result<(), String> {
    let not_a_table = |key: &str| format!("{key}: this is no table; a table is needed");
    let section = document.entry(SECTION).or_insert(Item::Table(Table::new()));
    let sections = section.is_table();
    let section = section.as_table_like_mut().ok_or(not_a_table(SECTION))?;
    set(section, "offset", offset);
    if !own.is_empty() && !section.contains_key(OWN) {
        let empty = if sections { Item::Table(Table::new()) } else { Item::Value(InlineTable::new().into()) };
        section.insert(OWN, empty);
    }
    let Some(commands) = section.get_mut(OWN) else { return Ok(()) };
    let commands = commands.as_table_like_mut().ok_or(not_a_table(OWN))?;
    let stale: Vec<String> =
        commands.iter().map(|(name, _)| name.into()).filter(|name| !own.contains_key(name)).collect();
    for name in stale {
        commands.remove(&name);
    }
    own.iter().for_each(|(name, offset)| set(commands, name, *offset));
    Ok(())
}

/// Sets a number and keeps the layout around it.
fn set(table: &mut dyn TableLike, key: &str, number: f32) {
    // Converts by way of the decimal digits, because -3.4 as f32 is -3.4000000954 as f64.
    let number: f64 = format!("{number}").parse().unwrap_or(f64::from(number));
    let present = table.get_mut(key).and_then(Item::as_value_mut);
    match present {
        Some(value) if value.as_float().or(value.as_integer().map(|i| i as f64)) == Some(number) => {}
        Some(value) => {
            let around = value.decor().clone();
            *value = Value::from(number);
            *value.decor_mut() = around;
        }
        None => {
            table.insert(key, toml_edit::value(number));
        }
    }
}

/// Removes the entries of `[thresholds.offsets]` that are not in `own`, but keeps the comments about them. Entries of
/// an inline table are kept.
fn without_stale(text: &str, own: &BTreeMap<String, f32>) -> Result<String, String> {
    let document = Document::parse(text).map_err(|e| e.message().to_string())?;
    let commands = document.get(SECTION).and_then(|s| s.as_table_like()?.get(OWN)?.as_table());
    let stale =
        commands.into_iter().flat_map(Table::iter).map(|(name, _)| name).filter(|name| !own.contains_key(*name));
    let place = |name| {
        let (key, value) = commands?.get_key_value(name)?;
        Some(key.span()?.start..value.span()?.end)
    };
    let mut places: Vec<Range<usize>> = stale.filter_map(place).collect();
    places.sort_by_key(|place| std::cmp::Reverse(place.start));
    let mut kept = text.to_string();
    for place in places {
        let from = text[..place.start].rfind('\n').map_or(0, |newline| newline + 1);
        let to = text[place.end..].find('\n').map_or(text.len(), |newline| place.end + newline + 1);
        let comment = text[place.end..to].find('#').map_or(to, |hash| place.end + hash);
        kept.replace_range(from..comment, "");
    }
    Ok(kept)
}

/// Replaces the whole file `path` by `text`. Even after a crash there is either the old file or the new one. A symbolic
/// link stays, and its target is replaced. The mode is kept, and so is the owner if this process may set it. Blocks
/// until the file is on the disk.
///
/// # Errors
/// The error of the kernel; then nothing was changed. A read-only file is not replaced.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let about = std::fs::metadata(&path)?;
    if about.permissions().readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "marked read-only"));
    }
    let dir = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = dir.join(format!(".{name}.{}.new", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let replaced = fill(file, text, &about).and_then(|()| std::fs::rename(&new, &path));
    if replaced.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    replaced?;
    // The rename has succeeded, so an error here must not be reported as one.
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
    Ok(())
}

fn fill(mut file: File, text: &str, about: &std::fs::Metadata) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    // Only root may change the owner; every user may set a group that the user belongs to.
    let _ = fchown(&file, Some(about.uid()), Some(about.gid())).or_else(|_| fchown(&file, None, Some(about.gid())));
    file.set_permissions(about.permissions())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn own(entries: &[(&str, f32)]) -> BTreeMap<String, f32> {
        entries.iter().map(|(name, offset)| (name.to_string(), *offset)).collect()
    }

    #[test]
    fn numbers_are_set_wherever_they_stand_and_all_else_stays_as_it_is() {
        let lamp = own(&[("lamp", -5.25)]);
        let none = own(&[]);
        let cases = [
            ("a = 1 # one\n", &none, "a = 1 # one\n\n[thresholds]\noffset = -3.4\n"),
            ("a = 1", &none, "a = 1\n\n[thresholds]\noffset = -3.4\n"),
            (
                "a = 1\n# end\n",
                &lamp,
                "a = 1\n\n[thresholds]\noffset = -3.4\n\n[thresholds.offsets]\nlamp = -5.25\n# end\n",
            ),
            (
                "# top\n[thresholds] # here\n  offset  =  -2   # mine\nwrong_costs = 2\n# below\n[[b]]\nx = [ 1,2 ]\n",
                &lamp,
                "# top\n[thresholds] # here\n  offset  =  -3.4   # mine\nwrong_costs = 2\n\n[thresholds.offsets]\nlamp = -5.25\n\
                 # below\n[[b]]\nx = [ 1,2 ]\n",
            ),
            ("[thresholds]\n# offset = -3.0\n[b]\n", &none, "[thresholds]\noffset = -3.4\n# offset = -3.0\n[b]\n"),
            ("thresholds = { offset = -2 } # x\n", &none, "thresholds = { offset = -3.4 } # x\n"),
            ("thresholds = {}\n", &lamp, "thresholds = { offset = -3.4, offsets = { lamp = -5.25 } }\n"),
            ("thresholds.offset = 0 # x\nb = 1\n", &none, "thresholds.offset = -3.4 # x\nb = 1\n"),
            (
                "[thresholds.offsets]\n# about lamp\nlamp = -1 # l\n# about bell\nbell = -2 # b\n# end\n[b]\n",
                &lamp,
                "[thresholds]\noffset = -3.4\n[thresholds.offsets]\n# about lamp\nlamp = -5.25 # l\n# about bell\n# b\n# end\n[b]\n",
            ),
            (
                "[thresholds]\noffset = -1.0\n[thresholds.offsets]\n# why\nbell = -2\n\"fan\" = 1\n",
                &none,
                "[thresholds]\noffset = -3.4\n[thresholds.offsets]\n# why\n",
            ),
            (
                "[thresholds]\noffset = 1\noffsets = { bell = -2, lamp = 3 }\n",
                &lamp,
                "[thresholds]\noffset = -3.4\noffsets = { lamp = -5.25 }\n",
            ),
            ("[thresholds]\r\noffset = 1 # x\r\n", &none, "[thresholds]\r\noffset = -3.4 # x\r\n"),
        ];
        for (before, own, after) in cases {
            let edited = with_offsets(before, -3.4, own).unwrap_or_else(|e| panic!("{before:?}: {e}"));
            assert_eq!(edited, after, "{before:?}");
            assert_eq!(with_offsets(&edited, -3.4, own).as_deref(), Ok(after), "a second time changes nothing");
        }
    }

    #[test]
    fn what_says_the_same_already_is_not_touched() {
        for text in [
            "[thresholds]\noffset = -3",
            "thresholds.offset = -3.00 # x\r\n",
            "[thresholds]\noffset = -30e-1\n[thresholds.offsets]\n",
        ] {
            assert_eq!(with_offsets(text, -3.0, &own(&[])).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_would_not_survive_is_refused_in_words() {
        let cases = [
            ("a = 1\r\nb = 2\n", "some of its lines end with a carriage return"),
            ("x.a = 1\nb = 2\nx.c = 3\n", "the order of its dotted keys would change"),
            ("thresholds = 5\n", "thresholds: this is no table"),
        ];
        for (text, words) in cases {
            let said = with_offsets(text, -3.4, &own(&[])).unwrap_err();
            assert!(said.contains(words), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_with_its_mode_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link] = ["hearken.toml", "link.toml"].map(|name| dir.path().join(name));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("hearken.toml", &link).unwrap();
        let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o640);
        replace(&link, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(link.is_symlink());
        mode(0o440);
        assert_eq!(replace(&file, "newer").unwrap_err().to_string(), "marked read-only");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");
        assert!(replace(Path::new("/proc/version"), "new").is_err());
    }
}
