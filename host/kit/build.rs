//! Embeds the examples that `keyhole plugin new` writes, with their cases, and the contract that projects in
//! other languages than Rust are built against. What a build left in an example's folder is no part of it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that builds leave behind, and what is only of use in this repository.
const NOT_PART: [&str; 7] = [
    "dist",
    "node_modules",
    ".venv",
    "__pycache__",
    "target",
    "bindings",
    "script",
];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut table = String::from(
        "/// Path and content.\npub(super) type File = (&'static str, &'static [u8]);\n\n\
         /// The files of each embedded tree.\npub(super) static TREES: &[(&str, &[File])] = &[\n",
    );
    for (tree, folder) in [
        ("rust", "plugins/examples/rust"),
        ("javascript", "plugins/examples/javascript"),
        ("python", "plugins/examples/python"),
        ("go", "plugins/examples/go"),
        ("recordings", "plugins/examples/recordings"),
        ("wit", "wit"),
    ] {
        let folder = root.join(folder).canonicalize()?;
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, &mut files)?;
        files.sort();
        let _ = writeln!(table, "    ({tree:?}, &[");
        for file in files {
            let name = file.strip_prefix(&folder).unwrap_or(&file).display().to_string();
            let _ = writeln!(
                table,
                "        ({name:?}, include_bytes!({:?})),",
                file.display().to_string()
            );
        }
        table.push_str("    ]),\n");
    }
    table.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("trees.rs"), table)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !entry.file_type()?.is_dir() {
            found.push(entry.path());
        } else if !NOT_PART.iter().any(|other| name == *other) {
            collect(&entry.path(), found)?;
        }
    }
    Ok(())
}
