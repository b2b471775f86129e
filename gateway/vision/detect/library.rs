//! The ONNX Runtime library: loaded once a process, from whichever file the configuration names first.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Mutex,
};

use ort::environment::Environment;

use super::DetectError;

/// ONNX Runtime allows one environment a process: made at the first success, shared by every
/// later model.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Its file: the one that the configuration names, or the one that was fetched with the models.
pub(in crate::vision) fn file(models: &Path, named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| models.join("cache/libonnxruntime.so"), Path::to_path_buf)
}

/// Loads the library once. A wrong file is an error, and a later try can succeed.
pub(super) fn environment(library: &Path) -> Result<Environment, DetectError> {
    let failed = |reason: String| DetectError::Library { path: library.to_path_buf(), reason };
    if let Err(error) = std::fs::metadata(library) {
        return Err(failed(format!("cannot be read: {error}; run `gridpost models fetch`")));
    }
    let mut shared = ENVIRONMENT.lock().map_err(|_| failed("was lost in a fault".into()))?;
    if let Some(environment) = &*shared {
        return Ok(environment.clone());
    }
    // ort asserts on some mismatches; that must not take the gateway down.
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        let builder = ort::init_from(library).map_err(|error| error.to_string())?;
        builder
            .with_name("gridpost")
            .with_telemetry(false)
            .build()
            .map_err(|error| error.to_string())
    }));
    match loaded {
        Ok(Ok(environment)) => {
            *shared = Some(environment.clone());
            Ok(environment)
        }
        Ok(Err(error)) => Err(failed(format!("cannot be used: {error}"))),
        Err(_) => Err(failed("is not an ONNX Runtime of a version that fits".into())),
    }
}
