//! What `gridpost models …` says without running: which there are, whether one loads, which is faster here.

use std::path::Path;

use crate::{
    media,
    vision::{self, Catalog, Detector, ModelSpec, Provider, load, pick},
};

/// One line a model: name, title, licence, whether its file is what it should be, and which one looks
/// where the configuration names none.
pub(super) fn list(models: &Path) -> Result<Vec<String>, String> {
    let catalog = Catalog::read(models)?;
    let looks = pick(&vision::Config::default(), &catalog, models).ok();
    let looks = |model: &ModelSpec| looks.as_ref().is_some_and(|one| one.spec.name == model.name);
    let lines = catalog.models.iter().map(|model| {
        let state = match model.verify(models) {
            Ok(_) => "here, hash right".to_owned(),
            Err(_) if !model.path(models).exists() => "not fetched".to_owned(),
            Err(reason) => reason,
        };
        let state = match model.in_int8() {
            Some(int8) if int8.verify(models).is_ok() => format!("{state}; in 8 bits too"),
            Some(_) => format!("{state}; its 8-bit variant is not here"),
            None => state,
        };
        let default = if model.default { " (default)" } else { "" };
        let taken = if looks(model) { "  <- taken without [model] name" } else { "" };
        format!("{}{default}: {}; {}; {state}{taken}", model.name, model.title, model.licence)
    });
    let faces = match vision::missing_for_faces(models) {
        None => "faces of near people widen the blur of stored pictures".to_owned(),
        Some(reason) => {
            format!("faces do not widen the blur, heads are blurred by boxes alone: {reason}")
        }
    };
    Ok(lines.chain([faces]).collect())
}

/// Loads it for real; which one that is, and which better one is wrong. The error is one sentence.
pub(super) fn verify(
    models: &Path,
    name: Option<String>,
    library: Option<&Path>,
) -> Result<Vec<String>, String> {
    let config = vision::Config { name, ..vision::Config::default() };
    let detector = load(&config, models, library)?;
    let mut lines = vec![format!("{}: the model loads and answers", detector.model())];
    lines.extend(detector.passed_over().map(str::to_owned));
    Ok(lines)
}

/// Runs the variants of a model on this processor; one line each, and which of
/// them `auto` takes.
/// Then the same on each other provider of the library, and which devices decode.
pub(super) fn bench(
    models: &Path,
    name: Option<&str>,
    library: Option<&Path>,
) -> Result<Vec<String>, String> {
    let catalog = Catalog::read(models)?;
    let config = vision::Config { name: name.map(str::to_owned), ..vision::Config::default() };
    let spec = &pick(&config, &catalog, models)?.spec;
    let mut lines = variants(&config, spec, models, library)?;
    let others = vision::offered().into_iter().filter(|one| *one != Provider::Cpu);
    lines.extend(others.map(|provider| on_provider(provider, spec, models, library)));
    lines.extend(media::decoding_devices());
    Ok(lines)
}

/// Milliseconds of each variant that the model has.
fn variants(
    config: &vision::Config,
    spec: &ModelSpec,
    models: &Path,
    library: Option<&Path>,
) -> Result<Vec<String>, String> {
    let text = |error: vision::DetectError| error.to_string();
    let line = |bits: &str, ms: f64, taken: String| {
        format!("{} {bits}: {ms:.2} ms a run on one thread{taken}", spec.name)
    };
    let taken = |is: bool| if is { "  <- taken by variant = \"auto\"" } else { "" }.to_owned();
    if spec.int8.is_none() {
        let detector = Detector::load(spec, models, library, config.threads).map_err(text)?;
        let fastest = vision::fastest_ms(&mut [detector]).map_err(text)?;
        return Ok(vec![line("fp32", fastest[0], taken(true))]);
    }
    let speeds = vision::measure(config, spec, models, library).map_err(text)?;
    let is_int8 = vision::choose(config, spec, models, library)?.is_int8;
    let int8 = if vision::multiplies_bytes() { taken(is_int8) } else { not_taken() };
    Ok(vec![line("fp32", speeds.fp32_ms, taken(!is_int8)), line("int8", speeds.int8_ms, int8)])
}

fn not_taken() -> String {
    format!("  (never taken by \"auto\": {})", vision::OVERFLOWS)
}

fn on_provider(
    provider: Provider,
    spec: &ModelSpec,
    models: &Path,
    library: Option<&Path>,
) -> String {
    let name = provider.name();
    let threads = vision::Config::default().threads;
    let ms = |spec: &ModelSpec| -> Result<f64, String> {
        let text = |error: vision::DetectError| error.to_string();
        let mut detector =
            Detector::load_on(spec, models, library, threads, &[provider]).map_err(text)?;
        if let Some(why) = detector.unmet() {
            return Err(why.to_owned());
        }
        let fastest = vision::fastest_ms(std::slice::from_mut(&mut detector)).map_err(text)?;
        Ok(fastest[0])
    };
    let fp32_ms = match ms(spec) {
        Ok(ms) => ms,
        Err(why) => return format!("{} on {name}: {why}", spec.name),
    };
    let int8 = match spec.in_int8().as_ref().map(ms) {
        Some(Ok(ms)) => format!("{ms:.2} ms"),
        Some(Err(why)) => why,
        None => "not in the catalogue".into(),
    };
    let asked = provider.as_str();
    format!(
        "{} on {name}: fp32 {fp32_ms:.2} ms, int8 {int8}; asked for by [model] providers = [\"{asked}\"]",
        spec.name
    )
}
