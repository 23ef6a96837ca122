//! Cargo's description of the workspace.

use std::path::PathBuf;

use crate::error::Error;
use crate::shell;

/// The folder into which cargo builds. A developer may have moved it.
pub(crate) fn target_folder() -> Result<PathBuf, Error> {
    let mut metadata = shell::cargo(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata = shell::read(&mut metadata)?;
    target_in(&metadata).ok_or(Error::NoTargetFolder)
}

/// The target folder in the JSON of `cargo metadata`.
fn target_in(metadata: &str) -> Option<PathBuf> {
    let (_, value) = metadata.split_once("\"target_directory\":\"")?;
    let (path, _) = value.split_once('"')?;
    Some(path.replace("\\\\", "\\").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_read_from_cargos_json() {
        let unix = r#"{"packages":[],"target_directory":"/home/ada/target","version":1}"#;
        assert_eq!(target_in(unix), Some("/home/ada/target".into()));
        let windows = r#"{"target_directory":"C:\\ada\\target","version":1}"#;
        assert_eq!(target_in(windows), Some(r"C:\ada\target".into()));
        assert_eq!(target_in("{}"), None);
    }
}
