//! Puts the page of the console, as `make console` leaves it in `target/console`, into the program. Without it the program
//! builds as well, and serves one page that says how to get it.

use std::{env, fmt::Write, fs, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=GRIDPOST_CONSOLE");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says it"));
    let folder = env::var_os("GRIDPOST_CONSOLE").map_or_else(
        || {
            // target/debug/build/NAME/out, or target/TRIPLE/debug/…: the one in which the page lies. Cargo's own mark
            // (CACHEDIR.TAG) is missing where `make console` made the folder before cargo did.
            let profile = out.ancestors().find(|folder| folder.ends_with("build"));
            let above = profile.into_iter().flat_map(|build| build.ancestors().skip(2)).take(2);
            let places: Vec<PathBuf> = above.map(|folder| folder.join("console")).collect();
            let made = places.iter().find(|place| place.join(".made").is_file());
            made.or(places.first()).unwrap_or(&out).clone()
        },
        PathBuf::from,
    );
    // Made here when it is missing: cargo looks at it again when the page has come.
    let _ = fs::create_dir_all(&folder);
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.ends_with(".gz") && !name.starts_with('.'))
        .collect();
    names.sort_unstable();
    let mut code = String::from("&[\n");
    for name in names {
        // A copy of our own: the page may be built anew while the program is compiled.
        let copied =
            |name: &str| fs::copy(folder.join(name), out.join(name)).map(|_| out.join(name));
        let Ok(plain) = copied(&name) else { continue };
        let packed = match copied(&format!("{name}.gz")) {
            Ok(packed) => format!("Some(include_bytes!({packed:?}))"),
            Err(_) => "None".into(),
        };
        let _ = writeln!(code, "    ({name:?}, include_bytes!({plain:?}), {packed}),");
    }
    code.push_str("]\n");
    fs::write(out.join("console_files.rs"), code).expect("its own folder can be written");
}
