//! The cases of several folders: gives them unique names, and a set for each folder.

use std::path::{Path, PathBuf};

use super::expected::{Case, Faults, listed_cases};
use crate::act::command::Command;

/// [`listed_cases`] of each of `dirs`. With more than one, the names begin with the folder as typed. A case whose list
/// names no set is in one that is named after its folder, if there are several folders or if any list names a set: so
/// every clip is in the table of sets.
///
/// # Errors
/// [`Faults`] of all folders and their lists.
pub fn cases(dirs: &[PathBuf], commands: &[Command], noise: Option<&Path>) -> Result<(Vec<Case>, Vec<String>), Faults> {
    let real: Vec<PathBuf> = dirs.iter().map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.clone())).collect();
    let mut faults = shared(dirs, &real);
    let (mut by_folder, mut left_out) = (Vec::new(), Vec::new());
    for dir in dirs {
        match listed_cases(dir, commands, noise) {
            Ok((cases, lines)) => {
                by_folder.push(cases);
                left_out.extend(lines);
            }
            Err(Faults(lines)) => faults.extend(lines),
        }
    }
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let by_set = dirs.len() > 1 || by_folder.iter().flatten().any(|case| case.set.is_some());
    for ((dir, set), cases) in dirs.iter().zip(set_names(dirs)).zip(&mut by_folder) {
        for case in cases {
            if dirs.len() > 1 {
                case.name = dir.join(&case.path_in_folder).display().to_string();
            }
            if by_set {
                case.set.get_or_insert_with(|| set.clone());
            }
        }
    }
    Ok((by_folder.into_iter().flatten().collect(), left_out))
}

/// A line for each folder whose files are in one before or after it too. `real`: the folders without links.
fn shared(dirs: &[PathBuf], real: &[PathBuf]) -> Vec<String> {
    let mut lines = Vec::new();
    for (i, inner) in real.iter().enumerate() {
        let holds = |(j, outer): &(usize, &PathBuf)| inner.starts_with(outer) && (inner != *outer || *j < i);
        let outer = real.iter().enumerate().filter(|(j, _)| *j != i).find(holds);
        if let Some((j, _)) = outer {
            let [inner, outer] = [i, j].map(|at| dirs[at].display());
            lines.push(format!(
                "{inner}: its files are in {outer} too, and would be counted twice; give only one of the two"
            ));
        }
    }
    lines
}

/// The name of each folder: the last part of its path, or all of it if there is none or another folder's name is the
/// same.
fn set_names(dirs: &[PathBuf]) -> Vec<String> {
    let name = |dir: &PathBuf| {
        let same = dirs.iter().filter(|other| other.file_name() == dir.file_name()).count();
        let last = dir.file_name().filter(|_| same == 1).unwrap_or(dir.as_os_str());
        last.to_string_lossy().into_owned()
    };
    dirs.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_set_is_named_after_its_folder_and_by_the_whole_path_where_two_names_are_the_same() {
        let cases: [(&[&str], &[&str]); 4] = [
            (&["clips"], &["clips"]),
            (&["corpora/near/", "./far"], &["near", "far"]),
            (&["a/clips", "b/clips", "c"], &["a/clips", "b/clips", "c"]),
            (&["..", "clips"], &["..", "clips"]),
        ];
        for (dirs, names) in cases {
            assert_eq!(set_names(&paths(dirs)), names, "{dirs:?}");
        }
    }

    #[test]
    fn a_folder_whose_files_are_in_another_is_named_with_it() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&["/a", "/b", "/ab"], &[]),
            (&["/a", "/a"], &["/a: its files are in /a too"]),
            (&["/a/b", "/a"], &["/a/b: its files are in /a too"]),
            (&["/a", "/a/b", "/c/d", "/c"], &["/a/b: its files are in /a too", "/c/d: its files are in /c too"]),
            (&["/a", "/a", "/a"], &["/a: its files are in /a too", "/a: its files are in /a too"]),
        ];
        for (dirs, expected) in cases {
            let lines = shared(&paths(dirs), &paths(dirs));
            let begins = lines.iter().zip(expected).all(|(line, expected)| line.starts_with(expected));
            assert!(lines.len() == expected.len() && begins, "{dirs:?}: {lines:?}");
        }
    }
}
